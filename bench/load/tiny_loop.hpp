#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <map>
#include <vector>

#include "bench/load/socket.hpp"

namespace skysock::load {

/// Accepts connections and calls `handle(fd, events)` for each that is ready, until `stop` becomes
/// readable. A connection for which it returns false is closed. Their sockets block.
template <typename Handle>
void serve_connections(int listener, int stop, short interest, Handle handle) {
  std::map<int, Fd> connections;
  while (true) {
    std::vector<pollfd> waits = {{stop, POLLIN, 0}, {listener, POLLIN, 0}};
    for (const auto& [fd, owner] : connections) waits.push_back({fd, interest, 0});
    poll(waits.data(), waits.size(), -1);
    if (waits[0].revents != 0) return;
    if (waits[1].revents != 0) {
      Fd accepted(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      if (accepted) connections[accepted.get()] = std::move(accepted);
    }
    for (std::size_t at = 2; at < waits.size(); ++at) {
      const auto& [fd, unused, events] = waits[at];
      if (events != 0 && !handle(fd, events)) connections.erase(fd);
    }
  }
}

}  // namespace skysock::load
