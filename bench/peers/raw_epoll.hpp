#pragma once

// The baseline of every benchmark: the least a server on level-triggered epoll can do. One thread,
// accept4, read, write; no ids, no queues between threads, no services. It shares nothing with
// core/ but the byte count.

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/peers/listener.hpp"

namespace skysock::bench {

/// Serves on the calling thread until `stop` becomes readable. Error: a call on the listener or on
/// epoll failed; a peer's failure only ends its connection.
[[nodiscard]] load::Outcome<void> serve_raw_epoll(const load::Fd& listener, int stop,
                                                  ServerMode mode);

}  // namespace skysock::bench
