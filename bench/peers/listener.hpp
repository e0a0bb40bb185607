#pragma once

// What the plain servers of this folder share: what they are asked to do, and the socket that they
// are given.

#include <cstdint>
#include <string>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench {

enum class ServerMode : std::uint8_t {
  echo,       ///< Every byte comes back; after the client's FIN the rest is sent, then the server
              ///< closes.
  sink,       ///< Counts and compares; reports as SinkTally says.
  source,     ///< Sends the endless stream_bytes() to every connection until the peer closes it.
  broadcast,  ///< What publishers send goes to all subscribers: core/base/broadcast_role.hpp.
  udp_echo,   ///< Every datagram goes back to its sender.
  connect,    ///< Makes the connections it is ordered to: core/base/connect_order.hpp.
};

/// A listening TCP socket with TCP_NODELAY; port 0: any free one. Error: names address and reason.
[[nodiscard]] load::Outcome<load::Fd> listen_on(const std::string& host, std::uint16_t port);

/// A bound, non-blocking UDP socket. Error: names address and reason.
[[nodiscard]] load::Outcome<load::Fd> bind_datagrams(const std::string& host, std::uint16_t port);

/// The one of them that a server of `mode` is given.
[[nodiscard]] load::Outcome<load::Fd> open_for(ServerMode mode, const std::string& host,
                                               std::uint16_t port);

/// The port a socket is bound to.
[[nodiscard]] std::uint16_t port_of(const load::Fd& socket);

}  // namespace skysock::bench
