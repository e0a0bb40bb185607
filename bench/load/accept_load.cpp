#include "bench/load/accept_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "bench/load/pattern.hpp"
#include "bench/load/wrong_byte.hpp"

namespace skysock::load {
namespace {

using std::chrono::steady_clock;

// A loopback client changes its address every 4096 connections: 64 addresses last far longer than
// TIME_WAIT at any rate one client reaches, and the rate stays level (measured: 19,000 per second
// instead of 22,000 falling to 13,000).
constexpr std::uint64_t kConnectionsPerSource = 4096;
constexpr std::uint64_t kSources = 64;

MessageKey key_of(const AcceptOptions& options, std::uint64_t operation) {
  return {options.seed, operation, 0};
}

}  // namespace

AcceptLoad::AcceptLoad(AcceptOptions options, Target target, EdgePoll poll)
    : options_(std::move(options)),
      target_(std::move(target)),
      poll_(std::move(poll)),
      connections_(options_.in_flight) {}

Outcome<AcceptLoad> AcceptLoad::open(AcceptOptions options) {
  if (options.in_flight == 0)
    return std::unexpected("an accept load needs at least one connection in flight");
  auto target = resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  return AcceptLoad(std::move(options), std::move(*target), std::move(*poll));
}

Outcome<std::chrono::nanoseconds> AcceptLoad::run(std::uint64_t operations) {
  const auto start = steady_clock::now();
  end_ = begun_ + operations;
  if (auto done = drive(kNever, start + options_.deadline); !done) {
    return std::unexpected(done.error());
  }
  return steady_clock::now() - start;
}

Outcome<Work> AcceptLoad::run_for(std::chrono::nanoseconds duration) {
  const auto start = steady_clock::now();
  const std::uint64_t begun_before = begun_;
  end_ = std::numeric_limits<std::uint64_t>::max();
  if (auto done = drive(start + duration, start + duration + options_.deadline); !done) {
    return std::unexpected(done.error());
  }
  return Work{begun_ - begun_before, steady_clock::now() - start};
}

Outcome<void> AcceptLoad::drive(Deadline last_begin, Deadline deadline) {
  const std::uint64_t begun_before = begun_;
  if (auto begun = begin_group(); !begun) return begun;
  while (completed_ < begun_) {
    auto events = poll_.wait(deadline);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return std::unexpected(late(begun_before));
    if (last_begin != kNever && steady_clock::now() >= last_begin) end_ = begun_;
    for (const epoll_event& event : *events) {
      if (auto done = serve(event.data.u64, event.events); !done) return done;
    }
    if (options_.burst && completed_ == begun_) {
      if (auto begun = begin_group(); !begun) return begun;
    }
  }
  return {};
}

Outcome<void> AcceptLoad::begin_group() {
  for (std::size_t index = 0; index < connections_.size() && begun_ < end_; ++index) {
    if (auto begun = begin(index); !begun) return begun;
  }
  return {};
}

std::string AcceptLoad::late(std::uint64_t begun_before) const {
  const bool counted = end_ != std::numeric_limits<std::uint64_t>::max();
  return fmt::format("{}: {} of {} connections were served within {} ms", target_.text,
                     completed_ - begun_before, (counted ? end_ : begun_) - begun_before,
                     options_.deadline.count());
}

unsigned AcceptLoad::source() const {
  if (!target_.is_loopback_v4()) return 0;
  return 1 + static_cast<unsigned>(begun_ / kConnectionsPerSource % kSources);
}

Outcome<void> AcceptLoad::begin(std::size_t index) {
  const auto begun_at = latencies_ != nullptr ? steady_clock::now() : Deadline();
  auto fd = begin_connect(target_, source());
  if (!fd) return std::unexpected(fmt::format("connection {}: {}", begun_, fd.error()));
  Connection& connection = connections_[index];
  connection = Connection{std::move(*fd), begun_++, false, begun_at};
  // On loopback the kernel has usually connected already, and a round of epoll is saved. In a burst
  // the next connect comes first.
  if (!options_.burst) {
    if (auto sent = send(connection); !sent) return sent;
  }
  const std::uint32_t interest = connection.sent ? EPOLLIN : EPOLLIN | EPOLLOUT;
  return poll_.add(connection.fd.get(), index, interest);
}

Outcome<void> AcceptLoad::serve(std::size_t index, std::uint32_t events) {
  Connection& connection = connections_[index];
  if ((events & EPOLLERR) != 0) {
    return std::unexpected(fmt::format("connection {} to {}: {}", connection.operation,
                                       target_.text,
                                       errno_text(pending_error(connection.fd.get()))));
  }
  if ((events & EPOLLOUT) != 0 && !connection.sent) {
    if (auto sent = send(connection); !sent) return sent;
  }
  if ((events & EPOLLIN) == 0) return {};
  auto complete = receive(connection);
  if (!complete) return std::unexpected(complete.error());
  if (!*complete) return {};
  end(connection);
  return begun_ < end_ && !options_.burst ? begin(index) : Outcome<void>();
}

Outcome<void> AcceptLoad::send(Connection& connection) {
  const auto byte = pattern_bytes(key_of(options_, connection.operation), 0, 1);
  // One byte always fits the buffer of a connected socket.
  if (::send(connection.fd.get(), byte.data(), 1, MSG_NOSIGNAL) != 1) {
    if (errno == EAGAIN) return {};  // Not connected yet: EPOLLOUT will come.
    return std::unexpected(fmt::format("connection {} to {}: send: {}", connection.operation,
                                       target_.text, errno_text(errno)));
  }
  connection.sent = true;
  return {};
}

void AcceptLoad::end(Connection& connection) {
  if (latencies_ != nullptr) latencies_->record(steady_clock::now() - connection.begun_at);
  if (options_.ending == Ending::rst) {
    close_with_reset(std::move(connection.fd));
  } else {
    connection.fd = Fd();  // Nothing is unread, so this sends FIN, not RST.
  }
  ++completed_;
}

/// True when the answer is complete and right, false when it has not come yet.
Outcome<bool> AcceptLoad::receive(Connection& connection) {
  std::array<std::byte, 16> buffer{};
  const ssize_t count = recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (count < 0 && errno == EAGAIN) return false;
  if (count < 0) {
    return std::unexpected(
        fmt::format("connection {}: recv: {}", connection.operation, errno_text(errno)));
  }
  if (count != 1) {
    return std::unexpected(
        fmt::format("connection {}: expected 1 byte back, received {}", connection.operation,
                    count == 0 ? std::string("end of stream") : fmt::format("{} or more", count)));
  }
  const auto wrong =
      find_mismatch(key_of(options_, connection.operation), 0, std::span(buffer).first(1));
  if (wrong) {
    return std::unexpected(
        fmt::format("connection {}, {}", connection.operation, wrong_byte(*wrong)));
  }
  return true;
}

}  // namespace skysock::load
