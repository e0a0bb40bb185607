#include "bench/settings.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace skysock::bench {
namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> result;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return result;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) result.push_back(cpu);
  }
  return result;
}

}  // namespace

load::Outcome<Placement> place(const std::string& name) {
  if (name == "free") return Placement{.name = name};
  const std::vector<int> cpus = allowed_cpus();
  if (name == "same-cpu" && !cpus.empty()) {
    return Placement{.name = name, .server_cpu = cpus[0], .load_cpu = cpus[0]};
  }
  if (name == "cross-cpu" && cpus.size() >= 2) {
    return Placement{.name = name, .server_cpu = cpus[0], .load_cpu = cpus[1]};
  }
  return std::unexpected(
      fmt::format("placement '{}': expected same-cpu, cross-cpu (two CPUs; {} usable here) or free",
                  name, cpus.size()));
}

std::string placement_text(const Placement& placement) {
  const auto cpu = [](const std::optional<int>& number) {
    return number ? fmt::format("cpu {}", *number) : std::string("any cpu");
  };
  return fmt::format("servers on {}, load on {}", cpu(placement.server_cpu),
                     cpu(placement.load_cpu));
}

load::Outcome<void> pin_thread(std::optional<int> cpu) {
  if (!cpu) return {};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(*cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return {};
  return std::unexpected(fmt::format("cannot pin to cpu {}: {}", *cpu, load::errno_text(errno)));
}

load::Outcome<void> pin_load(const Placement& placement) { return pin_thread(placement.load_cpu); }

Settings& settings() {
  static Settings value;
  return value;
}

std::string own_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

load::Outcome<void> check_json_file(const std::string& path) {
  errno = 0;
  if (path.empty() || std::ofstream(path, std::ios::app)) return {};
  return std::unexpected(
      fmt::format("--json '{}': cannot write: {}", path, load::errno_text(errno)));
}

}  // namespace skysock::bench
