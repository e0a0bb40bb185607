#pragma once

// The modes of the Asio server that have a file of their own. All serve until `stop` becomes
// readable. Error: as serve_raw_asio().

#include "bench/load/outcome.hpp"

namespace skysock::bench {

[[nodiscard]] load::Outcome<void> serve_asio_broadcast(int listener, int stop);
[[nodiscard]] load::Outcome<void> serve_asio_udp(int socket, int stop);
[[nodiscard]] load::Outcome<void> serve_asio_connect(int listener, int stop);

}  // namespace skysock::bench
