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

/// What a socket is made of. Source: enum of PROTOCOL_*.
enum class Protocol : std::uint8_t {
  tcp,
  udp_v4,
  udp_v6,
  borrowed,  ///< A descriptor that somebody else opened and will close.
};

constexpr bool is_udp(Protocol protocol) {
  return protocol == Protocol::udp_v4 || protocol == Protocol::udp_v6;
}

/// What an accepted send() did.
enum class SendOutcome : std::uint8_t {
  written,  ///< The kernel took all of it, on the calling thread.
  queued,   ///< The reactor will send it.
};

/// What may be set on one socket, at any time after its id is known.
enum class ConnectionOption : std::uint8_t {
  nodelay,               ///< TCP_NODELAY: 0 or 1.
  keepalive,             ///< SO_KEEPALIVE: 0 or 1.
  keepalive_idle_s,      ///< Seconds of silence before the first probe.
  keepalive_interval_s,  ///< Seconds between probes.
  keepalive_count,       ///< Unanswered probes that end the connection.
  send_buffer_bytes,     ///< The kernel's buffer, SO_SNDBUF.
  receive_buffer_bytes,  ///< The kernel's buffer, SO_RCVBUF.
  connect_timeout_ms,    ///< From now until OPEN, resolving included; 0 = the kernel's.
  idle_timeout_ms,       ///< ERR and CLOSE after this long without a byte either way; 0 = never.
  output_limit_bytes,    ///< Unsent output at most, 1 to 2^31-1. A datagram counts 128 bytes more.
  output_limit_policy,   ///< LimitPolicy.
};
inline constexpr std::uint8_t kConnectionOptionCount =
    static_cast<std::uint8_t>(ConnectionOption::output_limit_policy) + 1;

/// Whether `value` makes sense for `option` at all.
constexpr bool takes(ConnectionOption option, std::int64_t value) {
  constexpr std::int64_t kIntMax = 0x7FFF'FFFF;
  switch (option) {
    case ConnectionOption::nodelay:
    case ConnectionOption::keepalive:
    case ConnectionOption::output_limit_policy:
      return value == 0 || value == 1;
    case ConnectionOption::keepalive_idle_s:
    case ConnectionOption::keepalive_interval_s:
      return value >= 1 && value <= 32'767;
    case ConnectionOption::keepalive_count:
      return value >= 1 && value <= 127;
    case ConnectionOption::send_buffer_bytes:
    case ConnectionOption::receive_buffer_bytes:
    case ConnectionOption::output_limit_bytes:
      return value >= 1 && value <= kIntMax;
    case ConnectionOption::connect_timeout_ms:
    case ConnectionOption::idle_timeout_ms:
      return value >= 0 && value <= kIntMax;
  }
  return false;
}

}  // namespace skysock
