#include "bench/load/echo_connections.hpp"

#include <fmt/format.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "bench/load/connect_group.hpp"
#include "bench/load/pattern.hpp"
#include "bench/load/wrong_byte.hpp"

namespace skysock::load {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kBufferBytes = 65'536;

// The kernel finds a free local port quickly while most of one address's 28,000 are free.
constexpr std::size_t kConnectionsPerSource = 4096;

// One sendmsg(2) carries the usual depths; a longer burst needs several.
constexpr std::size_t kPiecesMax = 64;

}  // namespace

EchoConnections::EchoConnections(Options options, Target target, EdgePoll poll)
    : options_(std::move(options)),
      target_(std::move(target)),
      poll_(std::move(poll)),
      connections_(options_.connections),
      buffer_(kBufferBytes) {}

Outcome<EchoConnections> EchoConnections::open(Options options) {
  if (options.connections == 0 || options.bytes == 0) {
    return std::unexpected(fmt::format(
        "an echo load needs at least one connection and one byte, not {} connections and {} bytes",
        options.connections, options.bytes));
  }
  const Deadline deadline = steady_clock::now() + options.deadline;
  auto target = resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  EchoConnections all(std::move(options), std::move(*target), std::move(*poll));
  for (std::size_t first = 0; first < all.size(); first += kConnectGroup) {
    const std::size_t count = std::min(kConnectGroup, all.size() - first);
    if (auto done = all.connect_group(first, count, deadline); !done)
      return std::unexpected(done.error());
  }
  return all;
}

Outcome<void> EchoConnections::connect_group(std::size_t first, std::size_t count,
                                             Deadline deadline) {
  for (std::size_t index = first; index < first + count; ++index) {
    auto fd = begin_connect(target_, source(index));
    if (!fd) return std::unexpected(fmt::format("connection {}: {}", index, fd.error()));
    connections_[index].fd = std::move(*fd);
    connections_[index].begun = 1;  // The first EPOLLOUT, when connected, sends it.
    ++in_flight_;
    if (auto added = poll_.add(connections_[index].fd.get(), index); !added) return added;
  }
  while (in_flight_ > 0) {
    auto events = wait(deadline);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return std::unexpected(late());
    for (const epoll_event& event : *events) {
      auto taken = take(event, [](std::size_t, std::uint64_t) { return Outcome<void>(); });
      if (!taken) return taken;
    }
  }
  return {};
}

unsigned EchoConnections::source(std::size_t index) const {
  if (!target_.is_loopback_v4()) return 0;
  return static_cast<unsigned>(index / kConnectionsPerSource);
}

Outcome<void> EchoConnections::begin(std::size_t index, std::uint64_t messages) {
  connections_[index].begun += messages;
  in_flight_ += messages;
  return flush(index);
}

Outcome<void> EchoConnections::flush(std::size_t index) {
  Connection& connection = connections_[index];
  while (connection.sent < connection.begun) {
    std::array<iovec, kPiecesMax> pieces;  // NOLINT: only what is filled is read.
    msghdr header{};
    header.msg_iov = pieces.data();
    std::uint64_t message = connection.sent;
    std::size_t offset = connection.sent_bytes;
    while (message < connection.begun && header.msg_iovlen < kPiecesMax) {
      const auto piece = pattern_bytes({options_.seed, index, message}, offset,
                                       std::min(kPatternPieceMax, options_.bytes - offset));
      pieces[header.msg_iovlen++] = {const_cast<std::byte*>(piece.data()), piece.size()};
      offset += piece.size();
      if (offset == options_.bytes) ++message, offset = 0;
    }
    const ssize_t count = sendmsg(connection.fd.get(), &header, MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EAGAIN) return {};
      return std::unexpected(fmt::format("connection {}: send: {}", index, errno_text(errno)));
    }
    connection.sent_bytes += static_cast<std::size_t>(count);
    for (; connection.sent_bytes >= options_.bytes; connection.sent_bytes -= options_.bytes) {
      ++connection.sent;
    }
  }
  return {};
}

Outcome<EchoConnections::Received> EchoConnections::receive(std::size_t index) {
  const Connection& connection = connections_[index];
  const ssize_t count = recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
  if (count < 0) {
    if (errno == EAGAIN) return Received{.messages = 0, .drained = true};
    return std::unexpected(fmt::format("connection {}: recv: {}", index, errno_text(errno)));
  }
  if (count == 0) {
    return std::unexpected(
        fmt::format("connection {}, message {}: the server closed after {} of {} bytes", index,
                    connection.done, connection.received_bytes, options_.bytes));
  }
  const auto size = static_cast<std::size_t>(count);
  auto messages = check(index, std::span(buffer_).first(size));
  if (!messages) return std::unexpected(messages.error());
  // A short read has emptied the socket buffer. Source: epoll(7).
  return Received{.messages = *messages, .drained = size < buffer_.size()};
}

/// How many messages the bytes complete.
Outcome<std::uint64_t> EchoConnections::check(std::size_t index, std::span<const std::byte> bytes) {
  Connection& connection = connections_[index];
  const std::uint64_t done_before = connection.done;
  const std::size_t back = connection.received_bytes + bytes.size();
  const std::size_t sent =
      (connection.sent - connection.done) * options_.bytes + connection.sent_bytes;
  if (back > sent) {
    return std::unexpected(fmt::format("connection {}, message {}: {} bytes came back of {} sent",
                                       index, connection.done, back, sent));
  }
  while (!bytes.empty()) {
    const auto part =
        bytes.first(std::min(bytes.size(), options_.bytes - connection.received_bytes));
    const MessageKey key{options_.seed, index, connection.done};
    if (auto wrong = find_mismatch(key, connection.received_bytes, part)) {
      return std::unexpected(
          fmt::format("connection {}, message {}, {}", index, connection.done, wrong_byte(*wrong)));
    }
    connection.received_bytes += part.size();
    bytes = bytes.subspan(part.size());
    if (connection.received_bytes < options_.bytes) break;
    connection.received_bytes = 0;
    ++connection.done;
    --in_flight_;
  }
  return connection.done - done_before;
}

std::string EchoConnections::socket_error(std::size_t index) const {
  return fmt::format("connection {} to {}: {}", index, target_.text,
                     errno_text(pending_error(connections_[index].fd.get())));
}

std::string EchoConnections::late() const {
  const auto waiting = std::ranges::count_if(connections_, [](const Connection& connection) {
    return connection.done < connection.begun;
  });
  return fmt::format("{}: {} of {} connections still wait for an answer after {} ms", target_.text,
                     waiting, connections_.size(), options_.deadline.count());
}

}  // namespace skysock::load
