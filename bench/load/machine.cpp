#include "bench/load/machine.hpp"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <numeric>
#include <sstream>
#include <thread>

namespace skysock::load {
namespace {

constexpr double kBusyOthers = 0.05;
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

/// In ticks, of this process and its children that were waited for.
std::uint64_t own_cpu_time() {
  double seconds = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      seconds += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    }
  }
  return static_cast<std::uint64_t>(seconds * static_cast<double>(sysconf(_SC_CLK_TCK)));
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
  std::array<std::uint64_t, 8> fields{};
  std::istringstream words(stat);
  std::string name;
  if (!(words >> name) || name != "cpu") return std::nullopt;
  for (std::uint64_t& field : fields) {
    if (!(words >> field)) return std::nullopt;
  }
  return CpuTime{.all = std::accumulate(fields.begin(), fields.end(), std::uint64_t{0}),
                 .processes = fields[0] + fields[1] + fields[2],
                 .stolen = fields.back()};
}

Disturbance disturbance(const CpuTime& before, const CpuTime& after, std::uint64_t own) {
  if (after.all <= before.all) return {};
  const auto all = static_cast<double>(after.all - before.all);
  const std::uint64_t processes = after.processes - before.processes;
  return {.others = processes > own ? static_cast<double>(processes - own) / all : 0,
          .stolen = static_cast<double>(after.stolen - before.stolen) / all};
}

std::vector<std::string> busy_because(const Disturbance& disturbed) {
  std::vector<std::string> reasons;
  const auto judge = [&](const char* who, double share, double most) {
    if (share <= most) return;
    reasons.push_back(fmt::format("{} had {:.1f} % of the CPU time, expected at most {:.0f} %", who,
                                  100 * share, 100 * most));
  };
  judge("other programs", disturbed.others, kBusyOthers);
  judge("the hypervisor's other guests", disturbed.stolen, kBusyStolen);
  return reasons;
}

QuietWatch::QuietWatch()
    : began_(std::chrono::steady_clock::now()),
      load_average_(load_average()),
      start_(read_cpu_time()),
      own_at_start_(own_cpu_time()) {}

std::chrono::duration<double> QuietWatch::took() const {
  return std::chrono::steady_clock::now() - began_;
}

std::optional<Disturbance> QuietWatch::disturbed() const {
  const auto now = read_cpu_time();
  if (!start_ || !now) return std::nullopt;
  return disturbance(*start_, *now, own_cpu_time() - own_at_start_);
}

std::vector<std::string> QuietWatch::busy() const {
  return busy_because(disturbed().value_or(Disturbance{}));
}

}  // namespace skysock::load
