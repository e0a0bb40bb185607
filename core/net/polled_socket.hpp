#pragma once

#include <cstdint>

#include "core/base/block.hpp"
#include "core/base/result.hpp"
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

/// A send that was handed to the poller is over.
struct SentByPoller {
  SocketId id = 0;
  Block& payload;
  Result<std::size_t> answer;  ///< As of send(2).
};

/// What the kernel knows of one socket. It lies in the socket, and is the poller's business alone.
struct Registration {
  Watch watch = Watch::nothing;   ///< What the poller was last told.
  bool rewatched : 1 = false;     ///< It was another since, for a moment at least.
  bool known : 1 = false;         ///< The kernel knows the descriptor,
  bool always_ready : 1 = false;  ///< or cannot: a file.
  bool write_only : 1 = false;    ///< Such a one that cannot be read.
  bool again : 1 = false;         ///< The poller will report it without being told.
  // With io_uring, for what the ring does itself: reading streams and accepting.
  bool by_ring : 1 = false;    ///< The watch is the ring's business,
  bool armed : 1 = false;      ///< which has a request for it,
  bool ending : 1 = false;     ///< that was cancelled.
  bool kept : 1 = false;       ///< What it completed and nobody took is kept for later,
  bool due : 1 = false;        ///< and is reported with the next batch.
  bool accepts : 1 = false;    ///< It is a listener.
  bool by_epoll : 1 = false;   ///< The ring could not accept: epoll tells when to try again.
  std::uint32_t interest = 0;  ///< The kernel's mask.
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
