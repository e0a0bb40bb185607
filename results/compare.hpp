#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "results/facts.hpp"
#include "results/outcome.hpp"
#include "results/sampler.hpp"
#include "results/verdict.hpp"

namespace skysock::results {

inline constexpr const char* kToolVersion = "0.1.0";

/// One variant of the server.
struct Side {
  std::string name;
  std::vector<std::string> argv;
  BuildFacts build;
};

struct CompareOptions {
  Side a;
  Side b;
  bool aa = false;  ///< The same server on both sides on purpose: an alarm is a false one.
  Placement placement;
  Workload workload;
  std::size_t rounds_max = 128;
  std::chrono::milliseconds budget{120'000};  ///< For all of it, the confirmation included.
  std::uint64_t seed = 1;
  double margin = kMarginMin;
};

/// A sample of each side, taken one after the other.
struct Round {
  bool b_first = false;
  Sample a;
  Sample b;
};

enum class Metric { cpu, wall };

/// "cpu_ns_per_operation" (it gates) or "wall_ns_per_operation" (reported).
std::string name_of(Metric metric);

/// The least chunk: noise only adds.
double gated_value(const Sample& sample, Metric metric);

/// ln(B/A) of each round.
std::vector<double> log_ratios(const std::vector<Round>& rounds, Metric metric);

/// All there is to know about one comparison; what --json writes, --db records and the report
/// shows.
struct CompareRecord {
  std::string started;
  CompareOptions options;
  MachineFacts machine;
  bool identical = false;     ///< Same binary, same command: nothing was measured.
  std::vector<Round> rounds;  ///< Of the sequential series.
  std::vector<Round> confirm_rounds;
  State first_state = State::unresolved;  ///< What the sequential series says.
  State state = State::unresolved;        ///< After confirmation: the verdict.
  Ending ending = Ending::rounds_used_up;
  double seconds = 0;

  [[nodiscard]] bool needed_confirmation() const {
    return first_state == State::regressed || first_state == State::improved;
  }
};

/// Same binary hash, same arguments: a difference could only be noise.
bool is_identical(const Side& a, const Side& b);

/// Takes a sample of one side. The real one starts a server; tests bring their own.
using TakeSample = std::function<Outcome<Sample>(const Side&, const Workload&)>;

/// Told after each round: the phase ("measuring" or "confirming"), rounds so far, rounds at most,
/// seconds left.
struct Progress {
  const char* phase;
  std::size_t rounds;
  std::size_t rounds_max;
  double ratio;  ///< B/A so far.
  double seconds;
  double seconds_left_max;
};
using OnProgress = std::function<void(const Progress&)>;

/// Runs the sequential series and, when it alarms, the confirmation. `options.workload.operations`
/// must be set. The series may use 60 % of the budget: an alarm that nobody has time to confirm is
/// worth nothing.
Outcome<CompareRecord> compare(const CompareOptions& options, const TakeSample& take,
                               const OnProgress& progress);

/// The exit code a comparison ends with.
ExitCode exit_code_of(const CompareRecord& record, bool strict);

/// The text for a person: ratio, interval, n, verdict, and how it was measured.
std::string describe(const CompareRecord& record);

/// The sentence of the verdict, without figures; a difference that was not resolved is called just
/// that.
std::string verdict_sentence(const CompareRecord& record);

nlohmann::json to_json(const CompareRecord& record);

}  // namespace skysock::results
