#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/connection_state.hpp"
#include "core/net/types.hpp"

namespace skysock {

/// One socket as the reactor sees it, whatever its state. Source: struct socket_info.
struct SocketInfo {
  SocketId id = 0;
  ServiceHandle owner = 0;
  State state = State::free;
  Protocol protocol = Protocol::tcp;
  std::string local;  ///< "ip:port"; "" when the kernel has none.
  std::string peer;   ///< "ip:port"; the default destination of a datagram socket; or "".
  std::uint64_t read_bytes = 0;  ///< For a listener: connections accepted.
  std::uint64_t written_bytes = 0;
  std::int64_t read_ms_ago = -1;  ///< Since the last read; -1 = never.
  std::int64_t written_ms_ago = -1;
  /// Output that the kernel has not taken yet; each datagram counts kDatagramKeepBytes more.
  std::uint64_t queued_bytes = 0;
  bool reading = false;  ///< The poller is asked for input.
  bool writing = false;  ///< The poller is asked for room.

  /// LISTEN, TCP, UDP, BIND or CLOSING, as skynet's netstat says.
  [[nodiscard]] std::string_view type() const;
};

}  // namespace skysock
