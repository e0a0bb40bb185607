#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "core/base/check.hpp"

namespace skysock::load {

/// A socket bound to a free port of 127.0.0.(last_part). Requires: 0 < last_part < 255.
[[nodiscard]] inline Outcome<Fd> bind_on_loopback(int type, unsigned last_part = 1) {
  SKYSOCK_CHECK(last_part > 0 && last_part < 255);
  Fd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last_part);
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(
        fmt::format("cannot bind to 127.0.0.{}: {}", last_part, errno_text(errno)));
  }
  return fd;
}

/// A TCP socket that listens on a free port of 127.0.0.(last_part), with room for 512 connections
/// that are not accepted yet.
[[nodiscard]] inline Outcome<Fd> listen_on_loopback(unsigned last_part = 1) {
  auto fd = bind_on_loopback(SOCK_STREAM, last_part);
  if (fd && listen(fd->get(), 512) != 0) {
    return std::unexpected(
        fmt::format("cannot listen on 127.0.0.{}: {}", last_part, errno_text(errno)));
  }
  return fd;
}

/// The port a socket is bound to.
[[nodiscard]] inline std::uint16_t port_of(const Fd& socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  SKYSOCK_CHECK(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

}  // namespace skysock::load
