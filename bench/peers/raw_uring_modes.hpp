#pragma once

// The modes of the plain io_uring server that have a file of their own. All serve until `stop`
// becomes readable. Error: as serve_raw_uring(). Requires: `listener` is blocking.

#include "bench/load/outcome.hpp"

namespace skysock::bench {

[[nodiscard]] load::Outcome<void> serve_uring_broadcast(int listener, int stop);
[[nodiscard]] load::Outcome<void> serve_uring_udp(int socket, int stop);
[[nodiscard]] load::Outcome<void> serve_uring_connect(int listener, int stop);

}  // namespace skysock::bench
