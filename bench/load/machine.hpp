#pragma once

// What a measurement must say about the machine it was made on, and what else that machine did.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace skysock::load {

/// What could not be found is "unknown".
struct Machine {
  std::string cpu;
  std::string kernel;
  std::string glibc;
  std::string governor;  ///< "none" where the kernel scales nothing, as in most virtual machines.
  unsigned cpus = 0;
  std::string hypervisor;  ///< "none" or what the CPU flags admit to.
};

Machine read_machine();

/// Of the first CPU, e.g. "2100 of 3400 MHz now", or what /proc/cpuinfo says; "not told".
std::string cpu_frequency();

/// Runnable tasks, averaged over a minute. None: /proc does not say.
std::optional<double> load_average();

/// Time of all CPUs since the boot, in ticks.
struct CpuTime {
  std::uint64_t all = 0;
  std::uint64_t processes = 0;  ///< In user or system mode; without interrupts.
  std::uint64_t stolen = 0;     ///< The hypervisor ran somebody else.
};

/// The first line of /proc/stat. None: it is not as expected.
std::optional<CpuTime> parse_cpu_time(const std::string& stat);

/// Who else had CPU time, as a share of all there was.
struct Disturbance {
  double others = 0;  ///< Processes that are not ours.
  double stolen = 0;
};

/// Between the two; `own` ticks were used by this process and its children. Nothing when no time
/// passed.
Disturbance disturbance(const CpuTime& before, const CpuTime& after, std::uint64_t own);

/// Watches whether a machine is quiet enough to be measured on, from construction on.
class QuietWatch {
 public:
  QuietWatch();

  [[nodiscard]] std::optional<double> load_average_at_start() const { return load_average_; }
  /// Since construction.
  [[nodiscard]] std::chrono::duration<double> took() const;
  /// Since construction; children count when they have been waited for. None: /proc does not say.
  [[nodiscard]] std::optional<Disturbance> disturbed() const;
  /// Why the figures are to be distrusted, in words; empty: the machine was quiet.
  [[nodiscard]] std::vector<std::string> busy() const;

 private:
  std::chrono::steady_clock::time_point began_;
  std::optional<double> load_average_;
  std::optional<CpuTime> start_;
  std::uint64_t own_at_start_;
};

/// The reasons alone. Busy: others had more than 5 % of the CPU time, or more than 2 % was stolen.
std::vector<std::string> busy_because(const Disturbance& disturbed);

}  // namespace skysock::load
