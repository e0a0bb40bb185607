#include "bench/peers/raw_epoll.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "bench/peers/epoll_loop.hpp"
#include "bench/peers/server_modes.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;

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
  explicit Server(ServerMode mode) : mode_(mode) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    for (std::size_t fd = 0; fd < connections_.size(); ++fd) {
      if (connections_[fd].open) close(static_cast<int>(fd));
    }
  }

  Outcome<void> run(int listener, int stop) {
    return loop_.run(
        listener, stop, [this](int fd) { return begin(fd); },
        [this](int fd, std::uint32_t events) -> Outcome<void> {
          if (!serve(fd, events)) end(fd);
          return {};
        });
  }

 private:
  Connection& at(int fd) { return connections_[static_cast<std::size_t>(fd)]; }

  Outcome<void> begin(int fd) {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= connections_.size()) connections_.resize(2 * index);
    at(fd).open = true;
    const bool added =
        loop_.watch(EPOLL_CTL_ADD, fd, mode_ == ServerMode::source ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return added ? Outcome<void>() : epoll_failed("epoll_ctl of a connection");
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
    if (mode_ == ServerMode::echo) return send_all(fd, bytes);
    return mode_ == ServerMode::source || count_in(fd, bytes);
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
    return loop_.watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
  }

  bool flush(int fd) {
    auto& rest = at(fd).rest;
    const ssize_t count = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    rest.erase(rest.begin(), rest.begin() + count);
    return !rest.empty() || loop_.watch(EPOLL_CTL_MOD, fd, EPOLLIN);
  }

  bool stream(int fd) {
    const auto bytes = stream_bytes(at(fd).streamed, kStreamMessageBytesMax);
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    at(fd).streamed += static_cast<std::uint64_t>(count);
    return true;
  }

  ServerMode mode_;
  EpollLoop loop_;
  std::vector<Connection> connections_;  ///< By descriptor.
  alignas(64) std::array<std::byte, 65'536> buffer_;
};

}  // namespace

Outcome<void> serve_raw_epoll(const Fd& listener, int stop, ServerMode mode) {
  constexpr ServerModes kOthers = {.broadcast = serve_epoll_broadcast,
                                   .udp_echo = serve_epoll_udp,
                                   .connect = serve_epoll_connect};
  if (Serve* const serve = kOthers.of(mode)) return serve(listener.get(), stop);
  return Server(mode).run(listener.get(), stop);
}

}  // namespace skysock::bench
