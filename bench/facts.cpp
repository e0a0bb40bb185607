#include "bench/facts.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "bench/settings.hpp"
#include "core/net/tuning.hpp"

namespace skysock::bench {
namespace {

/// First line that `command` prints; "unknown" when there is none.
std::string first_line(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
  std::string line;
  int byte = 0;
  while (pipe && (byte = std::fgetc(pipe.get())) != EOF && byte != '\n') {
    line.push_back(static_cast<char>(byte));
  }
  return line.empty() ? "unknown" : line;
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string kernel() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.release) : "unknown";
}

std::string cpu_text(std::optional<int> cpu) { return cpu ? std::to_string(*cpu) : "any"; }

}  // namespace

std::vector<std::pair<std::string, std::string>> facts() {
  const Settings& set = settings();
  const std::string describe =
      fmt::format("git -C '{}' describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null",
                  set.source_dir);
  return {{"placement", set.placement.name},
          {"server_cpu", cpu_text(set.placement.server_cpu)},
          {"load_cpu", cpu_text(set.placement.load_cpu)},
          {"tuning", tuning_text(*parse_tuning(set.tuning))},
          {"compiler", __VERSION__},
          {"flags", SKYSOCK_BUILD_FLAGS},
          {"git", first_line(describe)},
          {"kernel", kernel()},
          {"cpu", cpu_model()}};
}

void add_context() {
  for (const auto& [name, value] : facts()) benchmark::AddCustomContext(name, value);
}

}  // namespace skysock::bench
