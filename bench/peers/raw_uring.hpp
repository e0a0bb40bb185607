#pragma once

// The second baseline: the least a server on io_uring can do. One thread, one ring, one receive and
// one accept that stay armed, answers sent from the buffer they came in. It shares nothing with
// core/ but the byte count.

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/peers/listener.hpp"

namespace skysock::bench {

/// Whether serve_raw_uring() can run here. Error: what the kernel refuses, and what it must have.
[[nodiscard]] load::Outcome<void> check_uring();

/// Serves on the calling thread until `stop` becomes readable. Makes `listener` blocking. Error: a
/// call on the listener or on the ring failed; a peer's failure only ends its connection.
[[nodiscard]] load::Outcome<void> serve_raw_uring(const load::Fd& listener, int stop,
                                                  ServerMode mode);

}  // namespace skysock::bench
