#pragma once

// The few socket calls both load clients need. They use the kernel directly, not core/net: a client
// that shares code with the server under test would share its bugs.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "bench/load/outcome.hpp"

namespace skysock::load {

/// Owns one file descriptor; closes it.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// A resolved numeric or named address with its port.
struct Target {
  sockaddr_storage address{};
  socklen_t length = 0;
  std::string text;  ///< "HOST:PORT" as the user gave it, for messages.

  [[nodiscard]] bool is_loopback_v4() const;
};

/// Resolves `host`. Blocks when `host` is a name.
[[nodiscard]] Outcome<Target> resolve(const std::string& host, std::uint16_t port);

/// A non-blocking TCP socket with TCP_NODELAY whose connect has begun (the kernel may have finished
/// it already). `source` > 0 binds to 127.0.0.(source + 1) first: a loopback client with many short
/// connections needs more ports than one address has, and the kernel's search for a free one slows
/// down long before the last is gone.
[[nodiscard]] Outcome<Fd> begin_connect(const Target& target, unsigned source = 0);

/// The pending error of a socket whose connect ended, 0 when it is connected.
int pending_error(int fd);

/// Closes with RST instead of FIN: what is unsent or unread is thrown away, no TIME_WAIT remains.
void close_with_reset(Fd fd);

/// An epoll instance, edge-triggered; `data` comes back with each event.
class EdgePoll {
 public:
  [[nodiscard]] static Outcome<EdgePoll> open();

  [[nodiscard]] Outcome<void> add(int fd, std::uint64_t data,
                                  std::uint32_t interest = EPOLLIN | EPOLLOUT) const;

  /// Events, or none when `deadline` passed. Errors: epoll_wait failed.
  [[nodiscard]] Outcome<std::span<const epoll_event>> wait(
      std::chrono::steady_clock::time_point deadline);

  /// The same for senders with a timetable: looks at least once, also after `until`, and returns
  /// without events within microseconds of it, while nothing else wants this CPU. A sleep in the
  /// kernel ends up to 50 us late, and what was asleep takes tens more to run again, so the last
  /// 100 us are spent polling. Cost: a busy CPU for that time, or always when `until` is never
  /// further away.
  [[nodiscard]] Outcome<std::span<const epoll_event>> wait_precisely(
      std::chrono::steady_clock::time_point until);

 private:
  explicit EdgePoll(Fd fd) : fd_(std::move(fd)) {}

  static constexpr int kEventsMax = 256;  // One system call serves all of the usual 64 connections.
  Fd fd_;
  epoll_event events_[kEventsMax]{};
};

}  // namespace skysock::load
