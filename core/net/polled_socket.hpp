#pragma once

#include <cstdint>

#include "core/net/connection_state.hpp"
#include "core/net/types.hpp"

// What the reactor and its poller tell each other about a socket.

namespace skysock {

/// One socket that the kernel has something to tell about.
struct Ready {
  SocketId id = 0;  ///< kControlReady for the control channel. May be stale when it is looked at.
  std::uint32_t events = 0;
};
inline constexpr SocketId kControlReady = 0;

/// What the kernel knows of one socket. It lies in the socket, and is the poller's business alone.
struct Registration {
  Watch watch = Watch::nothing;   ///< What the poller was last told.
  bool rewatched : 1 = false;     ///< It was another since, for a moment at least.
  bool known : 1 = false;         ///< The kernel knows the descriptor,
  bool always_ready : 1 = false;  ///< or cannot: a file.
  bool write_only : 1 = false;    ///< Such a one that cannot be read.
  bool again : 1 = false;         ///< The poller will report it without being told.
  std::uint32_t interest = 0;     ///< The kernel's mask.
};

/// A socket as its poller sees it.
struct PolledSocket {
  SocketId id = 0;
  int fd = -1;
  bool borrowed = false;     ///< Need not be a socket.
  std::uint32_t& read_size;  ///< Of the next read; follows what the peer sends.
  Registration& registration;
};

}  // namespace skysock
