#pragma once

// The baseline of every benchmark: the least a server on level-triggered epoll can do. One thread,
// accept4, read, write; no ids, no queues between threads, no services. It shares nothing with
// core/ but the byte count.

#include <cstdint>
#include <expected>
#include <string>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench {

enum class ServerMode : std::uint8_t {
  echo,    ///< Every byte comes back; after the client's FIN the rest is sent, then the server
           ///< closes.
  sink,    ///< Counts and compares; reports as SinkTally says.
  source,  ///< Sends the endless stream_bytes() to every connection until the peer closes it.
};

/// A listening TCP socket with TCP_NODELAY; port 0: any free one. Error: names address and reason.
[[nodiscard]] load::Outcome<load::Fd> listen_on(const std::string& host, std::uint16_t port);

/// The port a socket is bound to.
[[nodiscard]] std::uint16_t port_of(const load::Fd& socket);

/// Serves on the calling thread until `stop` becomes readable. Error: a call on the listener or on
/// epoll failed; a peer's failure only ends its connection.
[[nodiscard]] load::Outcome<void> serve_raw_epoll(const load::Fd& listener, int stop,
                                                  ServerMode mode);

}  // namespace skysock::bench
