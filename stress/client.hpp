#pragma once

#include <cstddef>
#include <cstdint>

#include "stress/target.hpp"

namespace skysock::stress {

/// All that one client process needs to know.
struct ClientTask {
  std::uint64_t index = 0;  ///< Above the connection numbers' kClientShift bits.
  std::uint64_t seed = 0;
  std::size_t connections = 1;
  double duration_s = 1;
  double hang_timeout_s = 10;
  std::size_t message_bytes_max = 1;
  std::uint64_t failures_max = 1;
  Target target;
  int report_fd = -1;
};

/// Longest a client goes on after its duration (or after SIGTERM), however slowly bytes still come.
double drain_limit_s(double hang_timeout_s);

/// Keeps `connections` connections busy until the duration is over, SIGTERM comes or failures_max
/// connections failed; then ends those that are open. Reports to report_fd. One epoll loop on the
/// calling thread; blocks. Requires: SIGTERM is blocked. Returns the exit status of the process: 0
/// when the final report was written.
int run_client(const ClientTask& task);

}  // namespace skysock::stress
