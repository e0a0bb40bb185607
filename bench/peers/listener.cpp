#include "bench/peers/listener.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace skysock::bench {

using load::Fd;
using load::Outcome;

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
        fmt::format("cannot listen on {}: {}", target->text, load::errno_text(errno)));
  }
  return fd;
}

Outcome<Fd> bind_datagrams(const std::string& host, std::uint16_t port) {
  const auto target = load::resolve(host, port);
  if (!target) return std::unexpected(target.error());
  Fd fd(socket(target->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto* address = reinterpret_cast<const sockaddr*>(&target->address);
  if (!fd || bind(fd.get(), address, target->length) != 0) {
    return std::unexpected(
        fmt::format("cannot bind to {}: {}", target->text, load::errno_text(errno)));
  }
  return fd;
}

Outcome<Fd> open_for(ServerMode mode, const std::string& host, std::uint16_t port) {
  return mode == ServerMode::udp_echo ? bind_datagrams(host, port) : listen_on(host, port);
}

std::uint16_t port_of(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  // sin_port and sin6_port are at the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace skysock::bench
