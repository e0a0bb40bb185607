#include "bench/peers/raw_epoll.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;

std::unexpected<std::string> failed(std::string_view call) {
  return std::unexpected(fmt::format("raw_epoll: {}: {}", call, load::errno_text(errno)));
}

struct Connection {
  bool open = false;
  std::uint64_t streamed = 0;   ///< Bytes sent so far, in source mode.
  std::vector<std::byte> rest;  ///< While it holds something nothing is read: the kernel's buffers
                                ///< hold the peer back.
  SinkTally tally;
};

/// A connection is found by its descriptor, and an answer is sent from the one read buffer: nothing
/// is searched for, and nothing is allocated per message (but a rest the kernel did not take).
class Server {
 public:
  Server(int listener, int stop, ServerMode mode)
      : listener_(listener), stop_(stop), mode_(mode), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    for (std::size_t fd = 0; fd < connections_.size(); ++fd) {
      if (connections_[fd].open) close(static_cast<int>(fd));
    }
  }

  Outcome<void> run() {
    if (!watch(EPOLL_CTL_ADD, listener_, EPOLLIN)) return failed("epoll_ctl of the listener");
    if (!watch(EPOLL_CTL_ADD, stop_, EPOLLIN)) return failed("epoll_ctl of the stop descriptor");
    std::array<epoll_event, 256> events;  // NOLINT: only what epoll_wait wrote is read.
    while (true) {
      const int count =
          epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) return failed("epoll_wait");
      for (int at = 0; at < count; ++at) {
        const epoll_event& event = events[static_cast<std::size_t>(at)];
        if (event.data.fd == stop_) return {};
        if (event.data.fd == listener_) {
          if (auto accepted = accept_all(); !accepted) return accepted;
        } else if (!serve(event.data.fd, event.events)) {
          end(event.data.fd);
        }
      }
    }
  }

 private:
  bool watch(int operation, int fd, std::uint32_t interest) const {
    epoll_event event{};
    event.events = interest;
    event.data.fd = fd;
    return epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
  }

  Connection& at(int fd) { return connections_[static_cast<std::size_t>(fd)]; }

  Outcome<void> accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0 && (errno == EAGAIN || errno == EINTR)) return {};
      if (fd < 0 && errno == ECONNABORTED) continue;
      if (fd < 0) return failed("accept4");
      if (auto begun = begin(fd); !begun) return begun;
    }
  }

  Outcome<void> begin(int fd) {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= connections_.size()) connections_.resize(2 * index);
    at(fd).open = true;
    const bool added =
        watch(EPOLL_CTL_ADD, fd, mode_ == ServerMode::source ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return added ? Outcome<void>() : failed("epoll_ctl of a connection");
  }

  void end(int fd) {
    at(fd) = Connection();
    close(fd);  // Epoll forgets it, too.
  }

  /// False when the connection is over.
  bool serve(int fd, std::uint32_t events) {
    if (!at(fd).rest.empty()) return flush(fd);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive(fd)) return false;
    return mode_ != ServerMode::source || (events & EPOLLOUT) == 0 || stream(fd);
  }

  bool receive(int fd) {
    const ssize_t count = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;  // All is sent: nothing is read while something waits.
    const auto bytes = std::span(buffer_).first(static_cast<std::size_t>(count));
    switch (mode_) {
      case ServerMode::echo:
        return send_all(fd, bytes);
      case ServerMode::sink:
        return count_in(fd, bytes);
      case ServerMode::source:
        return true;
    }
    return false;
  }

  bool count_in(int fd, std::span<const std::byte> bytes) {
    const auto report = at(fd).tally.feed(bytes);
    return !report || send_all(fd, std::as_bytes(std::span(&*report, 1)));
  }

  /// Sends now what the kernel takes; the rest waits for EPOLLOUT.
  bool send_all(int fd, std::span<const std::byte> bytes) {
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count == std::ssize(bytes)) return true;
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    const auto rest = bytes.subspan(count < 0 ? 0 : static_cast<std::size_t>(count));
    at(fd).rest.assign(rest.begin(), rest.end());
    return watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
  }

  bool flush(int fd) {
    auto& rest = at(fd).rest;
    const ssize_t count = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    rest.erase(rest.begin(), rest.begin() + count);
    return !rest.empty() || watch(EPOLL_CTL_MOD, fd, EPOLLIN);
  }

  bool stream(int fd) {
    const auto bytes = stream_bytes(at(fd).streamed, kStreamMessageBytesMax);
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    at(fd).streamed += static_cast<std::uint64_t>(count);
    return true;
  }

  int listener_;
  int stop_;
  ServerMode mode_;
  Fd epoll_;
  std::vector<Connection> connections_;  ///< By descriptor.
  alignas(64) std::array<std::byte, 65'536> buffer_;
};

}  // namespace

Outcome<void> serve_raw_epoll(const Fd& listener, int stop, ServerMode mode) {
  return Server(listener.get(), stop, mode).run();
}

}  // namespace skysock::bench
