#pragma once

// The same server on standalone Asio, as a program of it would be written: one io_context, one
// thread, completion handlers.

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/peers/listener.hpp"

namespace skysock::bench {

/// Serves on the calling thread until `stop` becomes readable. Error: the listener could not be
/// used; a peer's failure only ends its connection.
[[nodiscard]] load::Outcome<void> serve_raw_asio(const load::Fd& listener, int stop,
                                                 ServerMode mode);

}  // namespace skysock::bench
