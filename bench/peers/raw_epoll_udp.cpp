// Datagrams on plain epoll: one recvfrom(2) and one sendto(2) each, from the one buffer.

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <optional>

#include "bench/peers/epoll_loop.hpp"
#include "bench/peers/server_modes.hpp"

namespace skysock::bench {
namespace {

using load::Outcome;

/// Datagrams between two looks at the stop descriptor.
constexpr int kBatch = 64;

class Server {
 public:
  explicit Server(int socket) : socket_(socket) {}

  Outcome<void> run(int stop) {
    if (!loop_.watch(EPOLL_CTL_ADD, socket_, EPOLLIN)) {
      return epoll_failed("epoll_ctl of the socket");
    }
    return loop_.run(stop, [this](int, std::uint32_t) -> Outcome<void> {
      for (int datagram = 0; datagram < kBatch; ++datagram) {
        if (!held_ && !receive()) return {};
        if (!answer()) return hold();
      }
      return {};
    });
  }

 private:
  /// False when nothing waits. An error is that of an earlier answer (its sender is gone).
  bool receive() {
    from_bytes_ = sizeof from_;
    const ssize_t count = recvfrom(socket_, buffer_.data(), buffer_.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from_), &from_bytes_);
    if (count >= 0) held_ = static_cast<std::size_t>(count);
    return count >= 0;
  }

  /// False when the kernel has no room for it. What it refuses for good is lost, as datagrams are.
  bool answer() {
    const ssize_t count = sendto(socket_, buffer_.data(), *held_, MSG_NOSIGNAL,
                                 reinterpret_cast<const sockaddr*>(&from_), from_bytes_);
    if (count < 0 && errno == EAGAIN) return false;
    held_.reset();
    if (waits_) waits_ = !loop_.watch(EPOLL_CTL_MOD, socket_, EPOLLIN);
    return true;
  }

  Outcome<void> hold() {
    if (!waits_) waits_ = loop_.watch(EPOLL_CTL_MOD, socket_, EPOLLOUT);
    return waits_ ? Outcome<void>() : epoll_failed("epoll_ctl of the socket");
  }

  int socket_;
  EpollLoop loop_;
  sockaddr_storage from_{};
  socklen_t from_bytes_ = 0;
  std::optional<std::size_t> held_;  ///< Size of the datagram that is still to be sent.
  bool waits_ = false;               ///< For room: nothing is received meanwhile.
  alignas(64) std::array<std::byte, 65'536> buffer_;
};

}  // namespace

Outcome<void> serve_epoll_udp(int socket, int stop) { return Server(socket).run(stop); }

}  // namespace skysock::bench
