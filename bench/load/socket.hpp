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
/// it already). `source` > 0 binds to 127.0.0.(source + 1) first, which gives loopback clients more
/// ports than one address has. Error: the text names the target; `std::errc` is lost on purpose,
/// nothing recovers from it but `ports_used_up`.
struct ConnectError {
  std::string text;
  bool ports_used_up = false;  ///< EADDRNOTAVAIL: try again from another source.
};
std::expected<Fd, ConnectError> begin_connect(const Target& target, unsigned source = 0);

/// The pending error of a socket whose connect ended, 0 when it is connected.
int pending_error(int fd);

/// An epoll instance, edge-triggered for reading and writing; `data` comes back with each event.
class EdgePoll {
 public:
  [[nodiscard]] static Outcome<EdgePoll> open();

  [[nodiscard]] Outcome<void> add(int fd, std::uint64_t data) const;

  /// Events, or none when `deadline` passed. Errors: epoll_wait failed.
  [[nodiscard]] Outcome<std::span<const epoll_event>> wait(
      std::chrono::steady_clock::time_point deadline);

 private:
  explicit EdgePoll(Fd fd) : fd_(std::move(fd)) {}

  static constexpr int kEventsMax = 256;  // One system call serves all of the usual 64 connections.
  Fd fd_;
  epoll_event events_[kEventsMax]{};
};

}  // namespace skysock::load
