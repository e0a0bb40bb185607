#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/compare/latencies.hpp"
#include "bench/compare/scenario.hpp"
#include "bench/load/outcome.hpp"
#include "bench/load/work.hpp"

namespace skysock::bench::compare {

/// What a lane asks of a load, whatever its kind. Every answer is checked; between two calls
/// nothing is in flight. Any error leaves it unusable. One thread.
class ScenarioLoad {
 public:
  virtual ~ScenarioLoad() = default;

  /// Loads the server for `duration`; adds what was timed to `latencies`, unless that is nullptr.
  virtual load::Outcome<load::Work> run_for(std::chrono::nanoseconds duration,
                                            Latencies* latencies) = 0;

  /// Makes `operations` of them, or as near as the load can; returns how many.
  virtual load::Outcome<std::uint64_t> run(std::uint64_t operations) = 0;

  /// The intended operations per second of an open loop; 0 for all others.
  [[nodiscard]] virtual double rate() const { return 0; }
};

struct LoadTarget {
  std::string host;
  std::uint16_t port = 0;
  double rate = 0;  ///< Open loop: per second; 0: as the scenario says, after a calibration.
};

/// Connects and passes a checked operation on each connection.
load::Outcome<std::unique_ptr<ScenarioLoad>> open_load(const Scenario& scenario,
                                                       const LoadTarget& target);

}  // namespace skysock::bench::compare
