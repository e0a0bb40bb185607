#include "bench/load/machine.hpp"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sys/utsname.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace skysock::load {
namespace {

constexpr double kBusyTasksPerCpu = 0.5;
constexpr double kBusyStolen = 0.02;

/// The value of the first "key : value" line of /proc/cpuinfo.
std::optional<std::string> cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with(key) && colon != std::string::npos) return line.substr(colon + 2);
  }
  return std::nullopt;
}

std::string first_word(const std::string& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

std::string scaling(const std::string& name) {
  return first_word("/sys/devices/system/cpu/cpu0/cpufreq/scaling_" + name);
}

std::optional<CpuTime> read_cpu_time() {
  std::ifstream file("/proc/stat");
  std::string line;
  std::getline(file, line);
  return parse_cpu_time(line);
}

}  // namespace

Machine read_machine() {
  Machine machine;
  machine.cpu = cpuinfo("model name").value_or("unknown");
  utsname system{};
  machine.kernel = uname(&system) == 0 ? system.release : "unknown";
  machine.glibc = gnu_get_libc_version();
  machine.governor = scaling("governor");
  if (machine.governor.empty()) machine.governor = "none";
  machine.cpus = std::thread::hardware_concurrency();
  const std::string flags = cpuinfo("flags").value_or("");
  machine.hypervisor = flags.find(" hypervisor") == std::string::npos ? "none" : "virtual machine";
  return machine;
}

std::string cpu_frequency() {
  const std::string now = scaling("cur_freq");
  const std::string most = scaling("max_freq");
  if (!now.empty() && !most.empty()) return fmt::format("{} of {} kHz now", now, most);
  const auto told = cpuinfo("cpu MHz");
  return told ? *told + " MHz" : "not told";
}

std::optional<double> load_average() {
  double minute = 0;
  if (std::ifstream("/proc/loadavg") >> minute) return minute;
  return std::nullopt;
}

std::optional<CpuTime> parse_cpu_time(const std::string& stat) {
  // user nice system idle iowait irq softirq steal; what follows is in them.
  constexpr int kFields = 8;
  std::istringstream words(stat);
  std::string name;
  CpuTime time;
  if (!(words >> name) || name != "cpu") return std::nullopt;
  for (int field = 0; field < kFields; ++field) {
    if (!(words >> time.stolen)) return std::nullopt;  // The last one is it.
    time.all += time.stolen;
  }
  return time;
}

double stolen_share(const CpuTime& before, const CpuTime& after) {
  if (after.all <= before.all) return 0;
  return static_cast<double>(after.stolen - before.stolen) /
         static_cast<double>(after.all - before.all);
}

std::vector<std::string> busy_because(std::optional<double> load_average_at_start, unsigned cpus,
                                      std::optional<double> stolen) {
  std::vector<std::string> reasons;
  if (load_average_at_start && *load_average_at_start > kBusyTasksPerCpu * cpus) {
    reasons.push_back(
        fmt::format("load average at the start: {:.2f} on {} CPUs, expected at most {:.1f} each",
                    *load_average_at_start, cpus, kBusyTasksPerCpu));
  }
  if (stolen && *stolen > kBusyStolen) {
    reasons.push_back(
        fmt::format("the hypervisor took {:.1f} % of the CPU time, expected at most "
                    "{:.0f} %",
                    100 * *stolen, 100 * kBusyStolen));
  }
  return reasons;
}

QuietWatch::QuietWatch() : load_average_(load_average()), start_(read_cpu_time()) {}

std::optional<double> QuietWatch::stolen() const {
  const auto now = read_cpu_time();
  if (!start_ || !now) return std::nullopt;
  return stolen_share(*start_, *now);
}

std::vector<std::string> QuietWatch::busy() const {
  return busy_because(load_average_, std::thread::hardware_concurrency(), stolen());
}

}  // namespace skysock::load
