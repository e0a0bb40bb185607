#include "bench/load/echo_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "bench/load/pattern.hpp"

namespace skysock::load {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kBufferBytes = 65'536;

// A group fits the shortest accept queue in use (skynet's is 32): one SYN too many costs a second
// of retransmission.
constexpr std::size_t kConnectGroup = 16;

// The kernel finds a free local port quickly while most of one address's 28,000 are free.
constexpr std::size_t kConnectionsPerSource = 4096;

}  // namespace

EchoLoad::EchoLoad(EchoOptions options, Target target, EdgePoll poll)
    : options_(std::move(options)),
      target_(std::move(target)),
      poll_(std::move(poll)),
      connections_(options_.connections),
      buffer_(kBufferBytes) {}

Outcome<EchoLoad> EchoLoad::open(EchoOptions options) {
  if (options.connections == 0 || options.bytes == 0) {
    return std::unexpected("an echo load needs at least one connection and one byte");
  }
  const Deadline deadline = steady_clock::now() + options.deadline;
  auto target = resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  EchoLoad load(std::move(options), std::move(*target), std::move(*poll));
  for (std::size_t first = 0; first < load.connections_.size(); first += kConnectGroup) {
    const std::size_t count = std::min(kConnectGroup, load.connections_.size() - first);
    if (auto done = load.connect_group(first, count, deadline); !done)
      return std::unexpected(done.error());
  }
  return load;
}

Outcome<void> EchoLoad::connect_group(std::size_t first, std::size_t count, Deadline deadline) {
  unfinished_ = count;
  for (std::size_t index = first; index < first + count; ++index) {
    auto fd = begin_connect(target_, source(index));
    if (!fd) return std::unexpected(fmt::format("connection {}: {}", index, fd.error()));
    connections_[index].fd = std::move(*fd);
    connections_[index].messages_left = 1;
    if (auto added = poll_.add(connections_[index].fd.get(), index); !added) return added;
  }
  return drive(deadline);  // The first EPOLLOUT, when connected, sends the first message.
}

unsigned EchoLoad::source(std::size_t index) const {
  if (!target_.is_loopback_v4()) return 0;
  return static_cast<unsigned>(index / kConnectionsPerSource);
}

Outcome<std::chrono::nanoseconds> EchoLoad::run(std::uint64_t operations) {
  const auto begin = steady_clock::now();
  const std::uint64_t share = operations / connections_.size();
  const std::uint64_t rest = operations % connections_.size();
  unfinished_ = std::min<std::uint64_t>(operations, connections_.size());
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    connections_[index].messages_left = share + (index < rest ? 1 : 0);
  }
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    if (auto sent = send(index); !sent) return std::unexpected(sent.error());
  }
  if (auto done = drive(begin + options_.deadline); !done) return std::unexpected(done.error());
  return steady_clock::now() - begin;
}

Outcome<Work> EchoLoad::run_for(std::chrono::nanoseconds duration) {
  const auto begin = steady_clock::now();
  const std::uint64_t done_before = messages_done_;
  unfinished_ = connections_.size();
  last_send_ = begin + duration;
  ending_ = false;
  for (Connection& connection : connections_) {
    connection.messages_left = std::numeric_limits<std::uint64_t>::max();
  }
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    if (auto sent = send(index); !sent) return std::unexpected(sent.error());
  }
  if (auto done = drive(last_send_ + options_.deadline); !done) {
    return std::unexpected(done.error());
  }
  last_send_ = kNever;
  ending_ = false;
  return Work{messages_done_ - done_before, steady_clock::now() - begin};
}

Outcome<void> EchoLoad::hold_for(std::chrono::nanoseconds duration) {
  const auto end = steady_clock::now() + duration;
  while (true) {
    auto events = poll_.wait(end);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return {};
    for (const epoll_event& event : *events) {
      // Room to write is no news of the server.
      if ((event.events & ~std::uint32_t{EPOLLOUT}) == 0) continue;
      if (auto served = serve(event.data.u64, event.events); !served) return served;
    }
  }
}

Outcome<void> EchoLoad::drive(Deadline deadline) {
  while (unfinished_ > 0) {
    auto events = poll_.wait(deadline);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return std::unexpected(late());
    if (last_send_ != kNever) ending_ = steady_clock::now() >= last_send_;
    for (const epoll_event& event : *events) {
      if (auto served = serve(event.data.u64, event.events); !served) return served;
    }
  }
  return {};
}

Outcome<void> EchoLoad::serve(std::size_t index, std::uint32_t events) {
  if ((events & EPOLLERR) != 0) {
    const int error = pending_error(connections_[index].fd.get());
    return std::unexpected(
        fmt::format("connection {} to {}: {}", index, target_.text, errno_text(error)));
  }
  if ((events & EPOLLIN) != 0) {
    if (auto received = receive(index); !received) return received;
  }
  return (events & EPOLLOUT) != 0 ? send(index) : Outcome<void>();
}

Outcome<void> EchoLoad::send(std::size_t index) {
  Connection& connection = connections_[index];
  while (connection.messages_left > 0 && connection.sent < options_.bytes) {
    const auto part =
        pattern_bytes({options_.seed, index, connection.messages_done}, connection.sent,
                      std::min(kPatternPieceMax, options_.bytes - connection.sent));
    const ssize_t count = ::send(connection.fd.get(), part.data(), part.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EAGAIN) return {};
      return std::unexpected(fmt::format("connection {}: send: {}", index, errno_text(errno)));
    }
    connection.sent += static_cast<std::size_t>(count);
  }
  return {};
}

Outcome<void> EchoLoad::receive(std::size_t index) {
  Connection& connection = connections_[index];
  while (true) {
    const ssize_t count = recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (count < 0) {
      if (errno == EAGAIN) return {};
      return std::unexpected(fmt::format("connection {}: recv: {}", index, errno_text(errno)));
    }
    if (count == 0) {
      return std::unexpected(
          fmt::format("connection {}, message {}: the server closed after {} of {} bytes", index,
                      connection.messages_done, connection.received, options_.bytes));
    }
    if (auto taken = accept_bytes(index, static_cast<std::size_t>(count)); !taken) return taken;
    // A short read has emptied the socket buffer; later bytes make a new edge. Source: epoll(7).
    if (static_cast<std::size_t>(count) < buffer_.size()) return {};
  }
}

Outcome<void> EchoLoad::accept_bytes(std::size_t index, std::size_t count) {
  Connection& connection = connections_[index];
  if (count > connection.sent - connection.received) {
    return std::unexpected(fmt::format("connection {}, message {}: {} bytes came back of {} sent",
                                       index, connection.messages_done, connection.received + count,
                                       connection.sent));
  }
  const MessageKey key{options_.seed, index, connection.messages_done};
  if (auto wrong = find_mismatch(key, connection.received, std::span(buffer_).first(count))) {
    return std::unexpected(fmt::format(
        "connection {}, message {}, byte {}: expected 0x{:02x}, received 0x{:02x}", index,
        connection.messages_done, wrong->offset, static_cast<unsigned>(wrong->expected),
        static_cast<unsigned>(wrong->received)));
  }
  connection.received += count;
  if (connection.received < options_.bytes) return {};
  connection.sent = connection.received = 0;
  ++connection.messages_done;
  ++messages_done_;
  connection.messages_left = ending_ ? 0 : connection.messages_left - 1;
  if (connection.messages_left > 0) return send(index);
  --unfinished_;
  return {};
}

std::string EchoLoad::late() const {
  return fmt::format("{}: {} of {} connections still wait for an answer after {} ms", target_.text,
                     unfinished_, connections_.size(), options_.deadline.count());
}

}  // namespace skysock::load
