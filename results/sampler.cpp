#include "results/sampler.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "bench/load/echo_load.hpp"
#include "results/server.hpp"

namespace skysock::results {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds kSampleTime = milliseconds(80);
constexpr nanoseconds kCalibrationTime = milliseconds(40);
constexpr milliseconds kRunDeadline{20'000};  // Of 16 ms of work: a server this slow hangs.

/// A server with a load connected to it and both warm.
struct Pair {
  Server server;
  load::EchoLoad load;
};

Outcome<Pair> start_pair(const std::vector<std::string>& argv, const Placement& placement,
                         const Workload& workload) {
  auto server = Server::start(argv, placement.server_cpu, workload.start_timeout);
  if (!server) return std::unexpected(server.error());
  auto load = load::EchoLoad::open({.host = server->listening().host,
                                    .port = server->listening().port,
                                    .connections = workload.connections,
                                    .bytes = workload.bytes,
                                    .seed = workload.seed,
                                    .deadline = kRunDeadline});
  if (!load) return std::unexpected(server->blame(load.error()));
  if (auto warm = load->run(2 * workload.connections); !warm)
    return std::unexpected(server->blame(warm.error()));
  return Pair{std::move(*server), std::move(*load)};
}

Outcome<void> run_chunk(Pair& pair, std::uint64_t operations, Sample& sample) {
  const auto before = pair.server.cpu_time();
  if (!before) return std::unexpected(before.error());
  const auto wall = pair.load.run(operations);
  if (!wall) return std::unexpected(pair.server.blame(wall.error()));
  const auto after = pair.server.cpu_time();
  if (!after) return std::unexpected(after.error());
  if (*after <= *before)
    return std::unexpected(pair.server.blame("used no CPU time: another process serves"));
  const auto per_operation = [&](nanoseconds time) {
    return static_cast<double>(time.count()) / static_cast<double>(operations);
  };
  sample.cpu_ns_per_operation.push_back(per_operation(*after - *before));
  sample.wall_ns_per_operation.push_back(per_operation(*wall));
  return {};
}

}  // namespace

Outcome<Placement> choose_placement(const std::string& name) {
  if (name != "same-cpu" && name != "cross-cpu") {
    return problem(kUsage, fmt::format("placement '{}': expected same-cpu or cross-cpu", name));
  }
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<unsigned>(cpu), &allowed)) cpus.push_back(cpu);
    }
  }
  const std::size_t needed = name == "same-cpu" ? 1 : 2;
  if (cpus.size() < needed) {
    return problem(kNothingMeasured,
                   fmt::format("placement {} needs {} CPUs, this process may use {}", name, needed,
                               cpus.size()));
  }
  return Placement{name, cpus[0], cpus[needed - 1]};
}

Outcome<void> pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    return problem(kNothingMeasured,
                   fmt::format("cannot pin to cpu {}: {}", cpu, load::errno_text(errno)));
  }
  return {};
}

Outcome<Sample> take_sample(const std::vector<std::string>& argv, const Placement& placement,
                            const Workload& workload) {
  auto pair = start_pair(argv, placement, workload);
  if (!pair) return std::unexpected(pair.error());
  Sample sample;
  for (unsigned chunk = 0; chunk < workload.chunks; ++chunk) {
    if (auto done = run_chunk(*pair, workload.operations / workload.chunks, sample); !done) {
      return std::unexpected(done.error());
    }
  }
  if (auto stopped = pair->server.stop(); !stopped) return std::unexpected(stopped.error());
  return sample;
}

Outcome<std::uint64_t> calibrate(const std::vector<std::string>& argv, const Placement& placement,
                                 Workload workload) {
  auto pair = start_pair(argv, placement, workload);
  if (!pair) return std::unexpected(pair.error());
  std::uint64_t operations = std::max<std::uint64_t>(workload.connections, workload.chunks);
  double per_operation = std::numeric_limits<double>::max();
  // Twice more at the final size: the fastest run is the one that the machine's other work
  // disturbed least.
  for (int runs_left = 3; runs_left > 0;) {
    const auto time = pair->load.run(operations);
    if (!time) return std::unexpected(pair->server.blame(time.error()));
    if (*time < kCalibrationTime && runs_left == 3) {
      operations *= 2;
      continue;
    }
    per_operation = std::min(per_operation,
                             static_cast<double>(time->count()) / static_cast<double>(operations));
    --runs_left;
  }
  if (auto stopped = pair->server.stop(); !stopped) return std::unexpected(stopped.error());
  const auto wanted =
      static_cast<std::uint64_t>(static_cast<double>(kSampleTime.count()) / per_operation);
  return std::max<std::uint64_t>(1, wanted / workload.chunks) * workload.chunks;
}

}  // namespace skysock::results
