#include "bench/facts.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gnu/libc-version.h>

#include <asio/version.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "bench/settings.hpp"
#include "bench/shell.hpp"
#include "core/net/tuning.hpp"

namespace skysock::bench {
namespace {

/// First line that `command` prints; "unknown" when there is none.
std::string first_line(const std::string& command) {
  const auto ended = run_command(command);
  const std::string line = ended ? ended->output.substr(0, ended->output.find('\n')) : "";
  return line.empty() ? "unknown" : line;
}

/// What of the libraries is in the programs that are measured, or measures.
std::string libraries() {
  return fmt::format("glibc {}, {}, Asio {}.{}.{}, fmt {}.{}.{}", gnu_get_libc_version(),
                     SKYSOCK_LIBRARIES, ASIO_VERSION / 100'000, ASIO_VERSION / 100 % 1'000,
                     ASIO_VERSION % 100, FMT_VERSION / 10'000, FMT_VERSION / 100 % 100,
                     FMT_VERSION % 100);
}

std::string number_text(std::optional<double> number) {
  return number ? fmt::format("{:.2f}", *number) : "not told";
}

std::string cpu_text(std::optional<int> cpu) { return cpu ? std::to_string(*cpu) : "any"; }

}  // namespace

std::vector<std::pair<std::string, std::string>> facts() {
  const Settings& set = settings();
  const load::Machine machine = load::read_machine();
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
          {"libraries", libraries()},
          {"kernel", machine.kernel},
          {"cpu", machine.cpu},
          {"cpus", std::to_string(machine.cpus)},
          {"cpu_frequency", load::cpu_frequency()},
          {"governor", machine.governor},
          {"hypervisor", machine.hypervisor},
          {"load_average_at_start", number_text(quiet_watch().load_average_at_start())}};
}

const load::QuietWatch& quiet_watch() {
  static const load::QuietWatch watch;
  return watch;
}

void add_noise(nlohmann::ordered_json& record) {
  const auto disturbed = quiet_watch().disturbed();
  const auto share = [&](double load::Disturbance::* which) -> nlohmann::ordered_json {
    return disturbed ? nlohmann::ordered_json(*disturbed.*which) : nullptr;
  };
  record["took_s"] = quiet_watch().took().count();
  record["others_share"] = share(&load::Disturbance::others);
  record["stolen_share"] = share(&load::Disturbance::stolen);
  record["busy"] = quiet_watch().busy();
}

void say_if_busy() {
  const std::vector<std::string> reasons = quiet_watch().busy();
  if (reasons.empty()) return;
  fmt::print(stderr, "skysock-bench: the machine was busy: {}\n", fmt::join(reasons, "; "));
}

void add_context() {
  for (const auto& [name, value] : facts()) benchmark::AddCustomContext(name, value);
}

}  // namespace skysock::bench
