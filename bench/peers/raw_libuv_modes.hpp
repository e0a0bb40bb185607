#pragma once

// The modes of the libuv server that have a file of their own. All serve until `stop` becomes
// readable. Error: as serve_raw_libuv().

#include "bench/load/outcome.hpp"

namespace skysock::bench {

[[nodiscard]] load::Outcome<void> serve_libuv_broadcast(int listener, int stop);
[[nodiscard]] load::Outcome<void> serve_libuv_udp(int socket, int stop);
[[nodiscard]] load::Outcome<void> serve_libuv_connect(int listener, int stop);

}  // namespace skysock::bench
