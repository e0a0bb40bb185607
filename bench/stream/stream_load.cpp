#include "bench/stream/stream_load.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "core/base/stream_pattern.hpp"

namespace skysock::bench {

using load::Outcome;

StreamLoad::StreamLoad(StreamOptions options, load::Target target, load::EdgePoll poll)
    : options_(std::move(options)),
      target_(std::move(target)),
      poll_(std::move(poll)),
      connections_(options_.connections) {}

Outcome<StreamLoad> StreamLoad::open(StreamOptions options) {
  const bool sized = options.bytes > 0 && options.bytes <= kStreamMessageBytesMax;
  if (options.connections == 0 || options.batch_messages == 0 || !sized) {
    return std::unexpected(
        fmt::format("a stream load needs connections, messages and 1 to {} bytes a message",
                    kStreamMessageBytesMax));
  }
  auto target = load::resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = load::EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  StreamLoad load(std::move(options), std::move(*target), std::move(*poll));
  for (std::size_t index = 0; index < load.connections_.size(); ++index) {
    auto fd = load::begin_connect(load.target_);
    if (!fd) return std::unexpected(fmt::format("connection {}: {}", index, fd.error()));
    load.connections_[index].fd = std::move(*fd);
    const auto added = load.poll_.add(load.connections_[index].fd.get(), index);
    if (!added) return std::unexpected(added.error());
  }
  if (auto done = load.run(); !done) return std::unexpected(done.error());
  return load;
}

Outcome<void> StreamLoad::run() {
  const auto now = std::chrono::steady_clock::now();
  return drive(now, now + options_.deadline);
}

Outcome<load::Work> StreamLoad::run_for(std::chrono::nanoseconds duration) {
  const auto begin = std::chrono::steady_clock::now();
  const auto last_begin = begin + duration;
  if (auto done = drive(last_begin, last_begin + options_.deadline); !done) {
    return std::unexpected(done.error());
  }
  return load::Work{batches_ * options_.batch_messages, std::chrono::steady_clock::now() - begin};
}

Outcome<void> StreamLoad::drive(Time last_begin, Time deadline) {
  batches_ = 0;
  unreported_ = connections_.size();
  for (Connection& connection : connections_) begin_batch(connection);
  while (unreported_ > 0) {
    ending_ = std::chrono::steady_clock::now() >= last_begin;
    const auto progress = send_round();
    if (!progress) return std::unexpected(progress.error());
    if (*progress) continue;
    const auto events = poll_.wait(deadline);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return std::unexpected(late());
    ending_ = std::chrono::steady_clock::now() >= last_begin;
    for (const epoll_event& event : *events) {
      if (auto done = serve(event.data.u64, event.events); !done) return done;
    }
  }
  return {};
}

void StreamLoad::begin_batch(Connection& connection) {
  connection.target += options_.batch_messages * options_.bytes;
  connection.reported = false;
  ++batches_;
}

std::string StreamLoad::late() const {
  return fmt::format("{}: {} of {} connections had no report of their batch", target_.text,
                     unreported_, connections_.size());
}

std::uint64_t StreamLoad::messages_per_run() const {
  return options_.batch_messages * connections_.size();
}

std::uint64_t StreamLoad::chunks() const {
  std::uint64_t result = 0;
  for (const Connection& connection : connections_) result += connection.report.chunks;
  return result;
}

SinkHeader StreamLoad::header(std::size_t index) const {
  // Different on every connection, so that bytes of a neighbour are seen.
  return {.pattern_offset = 977 * index, .report_every = options_.batch_messages * options_.bytes};
}

Outcome<bool> StreamLoad::send_round() {
  bool progress = false;
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    const Connection& connection = connections_[index];
    if (!connection.writable || connection.sent == connection.target) continue;
    const auto sent = send_next(index);
    if (!sent) return sent;
    progress |= *sent;
  }
  return progress;
}

/// The header, or what is left of the message in hand; false when the kernel takes nothing now.
Outcome<bool> StreamLoad::send_next(std::size_t index) {
  Connection& connection = connections_[index];
  const SinkHeader head = header(index);
  const bool in_header = connection.header_sent < sizeof head;
  const auto bytes = in_header ? std::as_bytes(std::span(&head, 1)).subspan(connection.header_sent)
                               : stream_bytes(head.pattern_offset + connection.sent,
                                              options_.bytes - connection.sent % options_.bytes);
  const ssize_t count = ::send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count < 0) {
    connection.writable = false;
    if (errno == EAGAIN) return false;
    return std::unexpected(fmt::format("connection {}: send: {}", index, load::errno_text(errno)));
  }
  if (in_header) {
    connection.header_sent += static_cast<std::size_t>(count);
  } else {
    connection.sent += static_cast<std::uint64_t>(count);
  }
  return true;
}

Outcome<void> StreamLoad::serve(std::size_t index, std::uint32_t events) {
  Connection& connection = connections_[index];
  if ((events & EPOLLERR) != 0) {
    return std::unexpected(fmt::format("connection {} to {}: {}", index, target_.text,
                                       load::errno_text(load::pending_error(connection.fd.get()))));
  }
  if ((events & EPOLLOUT) != 0) connection.writable = true;
  return (events & EPOLLIN) != 0 ? receive(index) : Outcome<void>();
}

Outcome<void> StreamLoad::receive(std::size_t index) {
  Connection& connection = connections_[index];
  const auto room =
      std::as_writable_bytes(std::span(&connection.report, 1)).subspan(connection.report_held);
  const ssize_t count = ::recv(connection.fd.get(), room.data(), room.size(), 0);
  if (count < 0 && errno == EAGAIN) return {};
  if (count <= 0) {
    return std::unexpected(
        fmt::format("connection {}: expected a report, received {}", index,
                    count == 0 ? std::string("end of stream") : load::errno_text(errno)));
  }
  connection.report_held += static_cast<std::size_t>(count);
  if (connection.report_held < sizeof connection.report) return {};
  connection.report_held = 0;
  if (connection.reported) {
    return std::unexpected(fmt::format("connection {}: one report too many", index));
  }
  connection.reported = true;
  if (auto right = check(index); !right) return right;
  if (ending_) {
    --unreported_;
  } else {
    begin_batch(connection);
  }
  return {};
}

Outcome<void> StreamLoad::check(std::size_t index) const {
  const Connection& connection = connections_[index];
  if (connection.report.wrong_at != SinkReport::kNothingWrong) {
    return std::unexpected(fmt::format("connection {}: the server got a wrong byte at {}", index,
                                       connection.report.wrong_at));
  }
  if (connection.report.bytes != connection.target) {
    return std::unexpected(fmt::format("connection {}: the server counted {} bytes of {} sent",
                                       index, connection.report.bytes, connection.target));
  }
  return {};
}

}  // namespace skysock::bench
