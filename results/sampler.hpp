#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "results/outcome.hpp"

namespace skysock::results {

/// Where server and load run. It is part of a benchmark's identity: the same echo takes 18 or 90 us
/// by it.
struct Placement {
  std::string name;  ///< "same-cpu" or "cross-cpu".
  int server_cpu = 0;
  int load_cpu = 0;
};

/// Picks the first CPUs this process may use. Errors: kUsage for an unknown name; kNothingMeasured
/// when cross-cpu is asked of a machine with one CPU.
Outcome<Placement> choose_placement(const std::string& name);

/// Pins the calling thread, and so the load it drives.
Outcome<void> pin_to(int cpu);

/// The work of one sample; the same for both sides.
struct Workload {
  std::size_t connections = 64;
  std::size_t bytes = 64;
  std::uint64_t operations = 0;  ///< Per sample, over all chunks.
  unsigned chunks = 5;
  std::uint64_t seed = 1;
  std::chrono::milliseconds start_timeout{10'000};
};

/// One fresh server process under load: a value per chunk.
struct Sample {
  std::vector<double> cpu_ns_per_operation;
  std::vector<double> wall_ns_per_operation;
};

/// Starts `argv`, connects, warms up, runs the chunks, ends the server. Any failure of the server,
/// a wrong byte included, is a problem with its standard error.
Outcome<Sample> take_sample(const std::vector<std::string>& argv, const Placement& placement,
                            const Workload& workload);

/// The number of operations that takes `argv` about 80 ms, a multiple of the chunks.
Outcome<std::uint64_t> calibrate(const std::vector<std::string>& argv, const Placement& placement,
                                 Workload workload);

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Placement, name, server_cpu, load_cpu)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Sample, cpu_ns_per_operation, wall_ns_per_operation)

}  // namespace skysock::results
