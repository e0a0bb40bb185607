#pragma once

#include <cstdint>

namespace skysock {

/// Names one socket for its whole life: slot index in the low bits, generation above, 1 to 2^31-1.
/// A stale id never reaches a later socket of the same slot. 0 means "no socket".
using SocketId = std::int32_t;

/// Names one service; 0 means "none". skynet calls it `opaque` in the socket server, `handle`
/// elsewhere.
using ServiceHandle = std::uint32_t;

/// Low data is sent when no high data waits; neither is ever put into the middle of a message of
/// the other.
enum class Priority : std::uint8_t { high, low };

/// How a socket is closed. Source: socket_server_close(), socket_server_shutdown().
enum class CloseMode : std::uint8_t {
  soft,     ///< Send what is queued, then close.
  abortive  ///< One attempt to send, then close; the rest of the queue is freed.
};

/// Whether the requester of a close will wait for CLOSE: then it gets one in any case, with ud 1
/// when it is not the owner or the id is stale.
enum class CloseAnswer : std::uint8_t { not_needed, wanted };

}  // namespace skysock
