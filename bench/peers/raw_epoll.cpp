#include "bench/peers/raw_epoll.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "bench/stream/sink_tally.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;

std::unexpected<std::string> failed(std::string_view call) {
  return std::unexpected(fmt::format("raw_epoll: {}: {}", call, std::strerror(errno)));
}

struct Connection {
  Fd fd;
  std::vector<std::byte> unsent;  ///< While it holds something nothing is read: the kernel's
                                  ///< buffers hold the peer back.
  SinkTally tally;
};

class Server {
 public:
  Server(int listener, int stop, ServerMode mode)
      : listener_(listener), stop_(stop), mode_(mode), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

  Outcome<void> run() {
    if (!watch(EPOLL_CTL_ADD, listener_, EPOLLIN)) return failed("epoll_ctl of the listener");
    if (!watch(EPOLL_CTL_ADD, stop_, EPOLLIN)) return failed("epoll_ctl of the stop descriptor");
    std::array<epoll_event, 256> events{};
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
          connections_.erase(event.data.fd);
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

  Outcome<void> accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0 && (errno == EAGAIN || errno == EINTR)) return {};
      if (fd < 0 && errno == ECONNABORTED) continue;
      if (fd < 0) return failed("accept4");
      connections_[fd].fd = Fd(fd);
      if (!watch(EPOLL_CTL_ADD, fd, EPOLLIN)) return failed("epoll_ctl of a connection");
    }
  }

  /// False when the connection is over.
  bool serve(int fd, std::uint32_t events) {
    Connection& connection = connections_[fd];
    if (!connection.unsent.empty()) return flush(connection);
    return (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || receive(connection);
  }

  bool receive(Connection& connection) {
    const ssize_t count = read(connection.fd.get(), buffer_.data(), buffer_.size());
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;  // All is sent: nothing is read while something waits.
    const auto bytes = std::span(buffer_).first(static_cast<std::size_t>(count));
    if (mode_ == ServerMode::echo) return send(connection, bytes);
    const auto report = connection.tally.feed(bytes);
    return !report || send(connection, std::as_bytes(std::span(&*report, 1)));
  }

  bool send(Connection& connection, std::span<const std::byte> bytes) {
    const ssize_t count = ::send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    const auto rest = bytes.subspan(count < 0 ? 0 : static_cast<std::size_t>(count));
    if (rest.empty()) return true;
    connection.unsent.assign(rest.begin(), rest.end());
    return watch(EPOLL_CTL_MOD, connection.fd.get(), EPOLLOUT);
  }

  bool flush(Connection& connection) {
    auto& unsent = connection.unsent;
    const ssize_t count = ::send(connection.fd.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    unsent.erase(unsent.begin(), unsent.begin() + count);
    return !unsent.empty() || watch(EPOLL_CTL_MOD, connection.fd.get(), EPOLLIN);
  }

  int listener_;
  int stop_;
  ServerMode mode_;
  Fd epoll_;
  std::unordered_map<int, Connection> connections_;
  alignas(64) std::array<std::byte, 65536> buffer_{};
};

}  // namespace

Outcome<Fd> listen_on(const std::string& host, std::uint16_t port) {
  const auto target = load::resolve(host, port);
  if (!target) return std::unexpected(target.error());
  Fd fd(socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  const auto* address = reinterpret_cast<const sockaddr*>(&target->address);
  // Accepted sockets inherit TCP_NODELAY.
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      bind(fd.get(), address, target->length) != 0 || listen(fd.get(), 4096) != 0) {
    return std::unexpected(
        fmt::format("cannot listen on {}: {}", target->text, std::strerror(errno)));
  }
  return fd;
}

std::uint16_t port_of(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  // sin_port and sin6_port are at the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

Outcome<void> serve_raw_epoll(const Fd& listener, int stop, ServerMode mode) {
  return Server(listener.get(), stop, mode).run();
}

}  // namespace skysock::bench
