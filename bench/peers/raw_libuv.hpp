#pragma once

// The same server on libuv, as a program of it would be written: one loop, callbacks.

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/peers/listener.hpp"

namespace skysock::bench {

/// Serves on the calling thread until `stop` becomes readable. Error: the loop or the listener
/// could not be used; a peer's failure only ends its connection.
[[nodiscard]] load::Outcome<void> serve_raw_libuv(const load::Fd& listener, int stop,
                                                  ServerMode mode);

}  // namespace skysock::bench
