#include "bench/counts/counting.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>

#include "bench/counts/comparison.hpp"
#include "bench/exit_code.hpp"
#include "bench/settings.hpp"

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

/// A running command. Its end is waited for by finish().
class Run {
 public:
  explicit Run(const std::string& command) : pipe_(popen(command.c_str(), "re")) {}
  ~Run() {
    if (pipe_ != nullptr) pclose(pipe_);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Result finish() {
    if (pipe_ == nullptr) return std::unexpected(CountingFailure{kFailed, "cannot start a shell"});
    Counted counted;
    std::string problem;
    std::string line;
    for (int byte = 0; (byte = std::fgetc(pipe_)) != EOF;) {
      if (byte != '\n') {
        line.push_back(static_cast<char>(byte));
        continue;
      }
      if (auto taken = take_line(line, counted); !taken && problem.empty()) problem = taken.error();
      line.clear();
    }
    const int status = pclose(std::exchange(pipe_, nullptr));
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == kCannotRun) {
      return std::unexpected(
          CountingFailure{kCannotRun, "this build is instrumented: its counts would mean nothing"});
    }
    if (code == kNotFound) {
      return std::unexpected(CountingFailure{
          kCannotRun, "setarch, timeout, valgrind or counted_scenarios is missing"});
    }
    if (!problem.empty()) return std::unexpected(CountingFailure{kFailed, problem});
    if (code == 0) return counted;
    return std::unexpected(
        CountingFailure{kFailed, fmt::format("counted_scenarios ended with {}", code)});
  }

 private:
  FILE* pipe_;
};

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
  Run first(command_line("", names));
  Run second(command_line("", names));
  Result one = without_numbers_of_the_run(first.finish());
  return agreed(std::move(one), without_numbers_of_the_run(second.finish()));
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
  Run first(valgrind(one));
  Run second(valgrind(two));
  Result counted = with_instructions(first.finish(), one.path);
  return agreed(std::move(counted), with_instructions(second.finish(), two.path));
}

}  // namespace skysock::bench::counts
