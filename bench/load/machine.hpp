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
  std::uint64_t stolen = 0;  ///< The hypervisor ran somebody else.
};

/// The first line of /proc/stat. None: it is not as expected.
std::optional<CpuTime> parse_cpu_time(const std::string& stat);

/// What of the time between the two was stolen; 0 when none passed.
double stolen_share(const CpuTime& before, const CpuTime& after);

/// Watches whether a machine is quiet enough to be measured on, from construction on.
class QuietWatch {
 public:
  QuietWatch();

  [[nodiscard]] std::optional<double> load_average_at_start() const { return load_average_; }
  /// Since construction. None: /proc does not say.
  [[nodiscard]] std::optional<double> stolen() const;
  /// Why the figures are to be distrusted, in words; empty: the machine was quiet.
  [[nodiscard]] std::vector<std::string> busy() const;

 private:
  std::optional<double> load_average_;
  std::optional<CpuTime> start_;
};

/// The reasons alone. Busy: more than 0.5 runnable tasks per CPU at the start, or more than 2 %
/// stolen.
std::vector<std::string> busy_because(std::optional<double> load_average_at_start, unsigned cpus,
                                      std::optional<double> stolen);

}  // namespace skysock::load
