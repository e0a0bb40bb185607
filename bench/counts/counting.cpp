#include "bench/counts/counting.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "bench/counts/comparison.hpp"
#include "bench/exit_code.hpp"
#include "bench/settings.hpp"
#include "bench/shell.hpp"

namespace skysock::bench::counts {
namespace {

namespace fs = std::filesystem;
using load::Outcome;
using Result = std::expected<Counted, CountingFailure>;

/// What would let glibc's choice of memcpy() and of arenas change the instructions.
constexpr const char* kTunables =
    "glibc.malloc.arena_max=1:glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-ERMS,"
    "-FSRM,-RTM";

constexpr int kNotFound = 127;  ///< What timeout(1) and the shell end with.

/// The program is called by a short name: the length of a path moves the stack.
std::string command_line(const std::string& runner, const std::vector<std::string>& names) {
  return fmt::format(
      "cd '{}' && exec env -i PATH=\"$PATH\" LC_ALL=C GLIBC_TUNABLES={} setarch -R timeout 400 {} "
      "./counted_scenarios {}",
      own_folder(), kTunables, runner, fmt::join(names, " "));
}

struct TemporaryFolder {
  TemporaryFolder() : path((fs::temp_directory_path() / "counts.XXXXXX").string()) {
    if (mkdtemp(path.data()) == nullptr) path.clear();
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path.empty()) fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path;
};

/// What a run of the program counted.
Result counted_by(const std::string& command) {
  const auto fail = [](int exit_code, std::string text) {
    return std::unexpected(CountingFailure{exit_code, std::move(text)});
  };
  const auto ended = run_command(command);
  if (!ended) return fail(kFailed, ended.error());
  if (ended->exit_code == kCannotRun) {
    return fail(kCannotRun, "this build is instrumented: its counts would mean nothing");
  }
  if (ended->exit_code == kNotFound) {
    return fail(kCannotRun, "setarch, timeout, valgrind or counted_scenarios is missing");
  }
  Counted counted;
  std::istringstream lines(ended->output);
  // A last line without its end is of a run that was cut off.
  for (std::string line; std::getline(lines, line) && !lines.eof();) {
    if (auto taken = take_line(line, counted); !taken) return fail(kFailed, taken.error());
  }
  if (ended->exit_code == 0) return counted;
  return fail(kFailed, fmt::format("counted_scenarios ended with {}", ended->exit_code));
}

std::pair<Result, Result> at_once(const std::string& one, const std::string& two) {
  auto first = std::async(std::launch::async, counted_by, one);
  Result second = counted_by(two);
  return {first.get(), std::move(second)};
}

Result agreed(Result first, const Result& second) {
  if (!first) return first;
  if (!second) return second;
  const auto differences = compare_runs(first->record, second->record);
  if (differences.empty()) return first;
  return std::unexpected(
      CountingFailure{kFailed, fmt::format("{}", fmt::join(differences, "\ncounts: "))});
}

/// The instructions that callgrind's log of each process tells take the place of what it counted
/// itself.
Result with_instructions(Result counted, const std::string& folder) {
  static const std::regex kCollected("Collected : ([0-9]+)");
  static const std::regex kVersion("Using (Valgrind-[^ ]+)");
  if (!counted) return counted;
  for (auto& [scenario, metrics] : counted->record.scenarios) {
    const std::string path =
        fmt::format("{}/{}", folder, static_cast<std::uint64_t>(metrics["pid"]));
    std::ifstream file(path);
    const std::string log{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    std::smatch match;
    const bool found = std::regex_search(log, match, kCollected) && std::stod(match[1]) > 0;
    if (!found) {
      return std::unexpected(
          CountingFailure{kFailed, fmt::format("{}: callgrind counted nothing", scenario)});
    }
    const double instructions = std::stod(match[1]) / metrics["operations"];
    if (std::regex_search(log, match, kVersion)) {
      counted->record.fingerprint["valgrind"] = match[1];
    }
    metrics = {{kInstructions, instructions}};
  }
  return counted;
}

Result without_numbers_of_the_run(Result counted) {
  if (!counted) return counted;
  for (auto& [scenario, metrics] : counted->record.scenarios) {
    metrics.erase("pid");
    metrics.erase("operations");
  }
  return counted;
}

}  // namespace

Outcome<void> take_line(const std::string& line, Counted& counted) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  if (json.is_discarded()) {
    return std::unexpected(fmt::format("counted_scenarios: expected JSON, got '{}'", line));
  }
  if (json.contains("libraries")) {
    for (const auto& [name, hash] : json["libraries"].items()) {
      counted.record.fingerprint["library " + name] = hash;
    }
    return {};
  }
  const std::string scenario = json["scenario"];
  if (json.contains("left_out")) {
    counted.left_out.insert(scenario);
    return {};
  }
  if (json.contains("error")) {
    return std::unexpected(
        fmt::format("{}: {}", scenario, json["error"].get_ref<const std::string&>()));
  }
  const double operations = json["operations"];
  Metrics& metrics = counted.record.scenarios[scenario];
  metrics["pid"] = json["pid"];
  metrics["operations"] = operations;
  const nlohmann::json& server = json["server"];
  metrics[kAllocations] = server["allocations"].get<double>() / operations;
  metrics[kBytes] = server["allocated_bytes"].get<double>() / operations;
  for (const auto& [call, count] : server["calls"].items()) {
    metrics[kCallPrefix + call] = count.get<double>() / operations;
  }
  return {};
}

Result count_twice(const std::vector<std::string>& names) {
  const auto [one, two] = at_once(command_line("", names), command_line("", names));
  return agreed(without_numbers_of_the_run(one), without_numbers_of_the_run(two));
}

Result instructions_twice(const std::vector<std::string>& names) {
  const TemporaryFolder one;
  const TemporaryFolder two;
  const auto valgrind = [&](const TemporaryFolder& folder) {
    return command_line(
        fmt::format("valgrind --tool=callgrind --collect-atstart=no --log-file='{}/%p' "
                    "--callgrind-out-file=/dev/null",
                    folder.path),
        names);
  };
  const auto [first, second] = at_once(valgrind(one), valgrind(two));
  return agreed(with_instructions(first, one.path), with_instructions(second, two.path));
}

}  // namespace skysock::bench::counts
