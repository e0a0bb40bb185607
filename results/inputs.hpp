#pragma once

// The JSON files that the harnesses write, read into plain values. Summary, import and report all
// start from these.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "results/outcome.hpp"

namespace skysock::results {

/// One row of a Google Benchmark file: "BM_Accept/skysock/bytes:64/real_time".
struct BenchmarkRow {
  std::string name;     ///< As written.
  std::string family;   ///< "BM_Accept"
  std::string variant;  ///< "skysock", "lua", "raw_epoll", ...; empty when there is none.
  std::string params;   ///< "bytes:64"; empty when there are none.
  std::map<std::string, double>
      values;  ///< real_time_ns, cpu_time_ns, items_per_second, user counters, ...
};

struct BenchmarkFile {
  std::string date;
  std::string executable;
  std::vector<BenchmarkRow> rows;
  std::vector<std::string> busy;  ///< Why the machine was too busy for these figures.
};

struct StressResult {
  std::uint64_t seed = 0;
  double duration_s = 0;
  std::uint64_t connections_completed = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_verified = 0;
  std::vector<std::string> failures;
  bool passed = false;
};

struct FuzzRow {
  std::string fuzzer;
  std::uint64_t executions = 0;
  double seconds = 0;
  double executions_per_second = 0;
  std::uint64_t corpus_units = 0;
  std::uint64_t edges = 0;
  std::uint64_t new_units = 0;
  bool crashed = false;
  std::string artifact;
};

/// What was given; nothing for a file that was not asked for.
struct Inputs {
  std::optional<BenchmarkFile> benchmark;
  std::optional<StressResult> stress;
  std::optional<std::vector<FuzzRow>> fuzz;
  std::optional<nlohmann::json> compare;  ///< As `skysock-perf compare --json` wrote it.
};

/// Paths as given on the command line; empty: not asked for.
struct InputPaths {
  std::string benchmark;
  std::string stress;
  std::string fuzz;
  std::string compare;
};

/// Reads what was asked for. Error (kNothingMeasured): a file that is missing, is no JSON, lacks a
/// field, or tells of no work at all (no benchmark row, no byte verified, no execution); the text
/// names the file and what was expected.
Outcome<Inputs> read_inputs(const InputPaths& paths);

/// Splits "BM_Accept/skysock/bytes:64/real_time"; run modes at the end of the name are left out.
BenchmarkRow parse_benchmark_name(const std::string& name);

}  // namespace skysock::results
