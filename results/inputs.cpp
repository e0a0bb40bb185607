#include "results/inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace skysock::results {
namespace {

using nlohmann::json;

/// Numbers in a Google Benchmark row that describe the run and measure nothing.
const std::set<std::string> kNotMeasured = {"family_index", "per_family_instance_index",
                                            "repetitions",  "repetition_index",
                                            "threads",      "iterations",
                                            "real_time",    "cpu_time"};

bool is_run_mode(const std::string& part) {
  constexpr std::array<const char*, 3> kModes = {"real_time", "process_time", "manual_time"};
  constexpr std::array<const char*, 5> kPrefixes = {
      "iterations:", "repeats:", "min_time:", "min_warmup_time:", "threads:"};
  return std::ranges::any_of(kModes, [&](const char* mode) { return part == mode; }) ||
         std::ranges::any_of(kPrefixes,
                             [&](const char* prefix) { return part.starts_with(prefix); });
}

double nanoseconds_per(const std::string& unit) {
  if (unit == "s") return 1e9;
  if (unit == "ms") return 1e6;
  if (unit == "us") return 1e3;
  return 1;
}

BenchmarkRow read_row(const json& entry) {
  BenchmarkRow row = parse_benchmark_name(entry.at("name").get<std::string>());
  if (entry.value("error_occurred", false)) {
    throw std::runtime_error(
        fmt::format("{} failed: {}", row.name, entry.value("error_message", "?")));
  }
  const double unit = nanoseconds_per(entry.value("time_unit", "ns"));
  row.values["real_time_ns"] = entry.at("real_time").get<double>() * unit;
  row.values["cpu_time_ns"] = entry.at("cpu_time").get<double>() * unit;
  for (const auto& [key, value] : entry.items()) {
    if (value.is_number() && !kNotMeasured.contains(key)) row.values[key] = value.get<double>();
  }
  return row;
}

BenchmarkFile read_benchmark(const json& file) {
  BenchmarkFile result;
  const json context = file.value("context", json::object());
  result.date = context.value("date", "");
  result.executable = context.value("executable", "");
  result.busy = context.value("busy", std::vector<std::string>());
  for (const json& entry : file.at("benchmarks")) {
    if (entry.value("run_type", "iteration") == "iteration") result.rows.push_back(read_row(entry));
  }
  if (result.rows.empty()) throw std::runtime_error("it holds no benchmark");
  return result;
}

StressResult read_stress(const json& file) {
  StressResult result;
  result.seed = file.at("seed").get<std::uint64_t>();
  result.duration_s = file.at("duration_s").get<double>();
  result.connections_completed = file.at("connections_completed").get<std::uint64_t>();
  result.bytes_sent = file.at("bytes_sent").get<std::uint64_t>();
  result.bytes_verified = file.at("bytes_verified").get<std::uint64_t>();
  for (const json& failure : file.at("failures")) {
    result.failures.push_back(failure.is_string() ? failure.get<std::string>() : failure.dump());
  }
  result.passed = file.at("verdict").get<std::string>() == "pass";
  if (result.passed && result.bytes_verified == 0)
    throw std::runtime_error("it passed without verifying a byte");
  return result;
}

std::vector<FuzzRow> read_fuzz(const json& file) {
  std::vector<FuzzRow> rows;
  for (const json& entry : file) {
    FuzzRow row;
    row.fuzzer = entry.at("fuzzer").get<std::string>();
    row.executions = entry.at("executions").get<std::uint64_t>();
    row.seconds = entry.at("seconds").get<double>();
    row.executions_per_second = entry.at("executions_per_second").get<double>();
    row.corpus_units = entry.value("corpus_units", std::uint64_t{0});
    row.edges = entry.value("edges", std::uint64_t{0});
    row.new_units = entry.value("new_units", std::uint64_t{0});
    row.crashed = entry.at("result").get<std::string>() != "ok";
    const json artifact = entry.value("artifact", json());
    row.artifact = artifact.is_string() ? artifact.get<std::string>() : "";
    if (row.executions == 0)
      throw std::runtime_error(fmt::format("fuzzer {} ran no input", row.fuzzer));
    rows.push_back(row);
  }
  if (rows.empty()) throw std::runtime_error("it holds no fuzzer");
  return rows;
}

json read_compare(const json& file) {
  for (const char* key :
       {"verdict", "verdict_text", "a", "b", "rounds", "metrics", "placement", "machine"}) {
    static_cast<void>(file.at(key));
  }
  if (file.at("rounds").empty() && file.at("verdict") != "IDENTICAL")
    throw std::runtime_error("it took no round");
  return file;
}

/// Reads `path` with `read`; every failure becomes one sentence that names the file.
template <typename T>
Outcome<std::optional<T>> read_file(const std::string& path, const char* what,
                                    const std::function<T(const json&)>& read) {
  if (path.empty()) return std::optional<T>();
  std::ifstream file(path);
  if (!file) return problem(kNothingMeasured, fmt::format("{} '{}': cannot read it", what, path));
  try {
    return std::optional<T>(read(json::parse(file)));
  } catch (const std::exception& error) {
    return problem(kNothingMeasured, fmt::format("{} '{}': {}", what, path, error.what()));
  }
}

}  // namespace

BenchmarkRow parse_benchmark_name(const std::string& name) {
  BenchmarkRow row;
  row.name = name;
  std::istringstream parts(name);
  std::getline(parts, row.family, '/');
  bool first = true;
  for (std::string part; std::getline(parts, part, '/'); first = false) {
    if (is_run_mode(part)) continue;
    if (first && part.find(':') == std::string::npos) {
      row.variant = part;
    } else {
      row.params += (row.params.empty() ? "" : "/") + part;
    }
  }
  return row;
}

Outcome<Inputs> read_inputs(const InputPaths& paths) {
  auto benchmark = read_file<BenchmarkFile>(paths.benchmark, "benchmark file", read_benchmark);
  if (!benchmark) return std::unexpected(benchmark.error());
  auto stress = read_file<StressResult>(paths.stress, "stress file", read_stress);
  if (!stress) return std::unexpected(stress.error());
  auto fuzz = read_file<std::vector<FuzzRow>>(paths.fuzz, "fuzz file", read_fuzz);
  if (!fuzz) return std::unexpected(fuzz.error());
  auto compare = read_file<json>(paths.compare, "compare file", read_compare);
  if (!compare) return std::unexpected(compare.error());
  return Inputs{std::move(*benchmark), std::move(*stress), std::move(*fuzz), std::move(*compare)};
}

}  // namespace skysock::results
