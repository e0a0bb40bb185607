#pragma once

// The modes of the plain epoll server that have a file of their own. All serve until `stop` becomes
// readable. Error: as serve_raw_epoll().

#include "bench/load/outcome.hpp"

namespace skysock::bench {

[[nodiscard]] load::Outcome<void> serve_epoll_broadcast(int listener, int stop);
[[nodiscard]] load::Outcome<void> serve_epoll_udp(int socket, int stop);
[[nodiscard]] load::Outcome<void> serve_epoll_connect(int listener, int stop);

}  // namespace skysock::bench
