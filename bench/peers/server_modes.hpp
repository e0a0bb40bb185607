#pragma once

// The modes of the plain servers that have a file of their own, and the choice among them.

#include "bench/load/outcome.hpp"
#include "bench/peers/listener.hpp"

namespace skysock::bench {

/// Serves until `stop` becomes readable; `socket` is as open_for() makes it. Error: as
/// serve_raw_epoll(), or what its server has instead.
using Serve = load::Outcome<void>(int socket, int stop);

[[nodiscard]] Serve serve_asio_broadcast, serve_asio_udp, serve_asio_connect;
[[nodiscard]] Serve serve_epoll_broadcast, serve_epoll_udp, serve_epoll_connect;
[[nodiscard]] Serve serve_libuv_broadcast, serve_libuv_udp, serve_libuv_connect;
// Requires: a listener is blocking.
[[nodiscard]] Serve serve_uring_broadcast, serve_uring_udp, serve_uring_connect;

/// Those of one server.
struct ServerModes {
  Serve* broadcast;
  Serve* udp_echo;
  Serve* connect;

  /// nullptr for echo, sink and source, which have no file of their own.
  [[nodiscard]] Serve* of(ServerMode mode) const {
    switch (mode) {
      case ServerMode::echo:
      case ServerMode::sink:
      case ServerMode::source:
        return nullptr;
      case ServerMode::broadcast:
        return broadcast;
      case ServerMode::udp_echo:
        return udp_echo;
      case ServerMode::connect:
        return connect;
    }
    return nullptr;
  }
};

}  // namespace skysock::bench
