// How a comparison is told to a person and written as JSON.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "results/compare.hpp"

namespace skysock::results {
namespace {

std::string interval_text(const Estimate& estimate) {
  if (!estimate.interval) return "[no interval from so few rounds]";
  return fmt::format("[{:.4f}, {:.4f}]", std::exp(estimate.interval->low),
                     std::exp(estimate.interval->high));
}

double median_of_side(const std::vector<Round>& rounds, Metric metric, Sample Round::* side) {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const Round& round : rounds) values.push_back(gated_value(round.*side, metric));
  return values.empty() ? 0 : median(values);
}

std::string noisy_text(const std::vector<double>& values) {
  const Diagnostics diagnostics = diagnose(values);
  if (!diagnostics.noisy()) return "";
  return fmt::format("  NOISY: rounds depend on each other (Ljung-Box p {:.2g}, runs p {:.2g})",
                     diagnostics.ljung_box_p, diagnostics.runs_p);
}

std::string metric_line(const CompareRecord& record, Metric metric) {
  const auto values = log_ratios(record.rounds, metric);
  const Estimate estimate_now = estimate(values);
  return fmt::format("  {:<22} A {:.0f} ns  B {:.0f} ns  B/A {:.4f} {}  n={}{}\n", name_of(metric),
                     median_of_side(record.rounds, metric, &Round::a),
                     median_of_side(record.rounds, metric, &Round::b),
                     std::exp(estimate_now.median), interval_text(estimate_now), estimate_now.n,
                     noisy_text(values));
}

std::string confirm_line(const CompareRecord& record) {
  if (!record.needed_confirmation()) return "";
  const Estimate second = estimate(log_ratios(record.confirm_rounds, Metric::cpu));
  return fmt::format("  second, independent run           B/A {:.4f} {}  n={}: {}\n",
                     std::exp(second.median), interval_text(second), second.n,
                     record.state == record.first_state ? "confirmed" : "not confirmed");
}

std::string wall_line(const CompareRecord& record) {
  const Estimate wall = estimate(log_ratios(record.rounds, Metric::wall));
  const bool resolved = wall.interval && (wall.interval->low > 0 || wall.interval->high < 0);
  return metric_line(record, Metric::wall) +
         fmt::format("  {:<22} {}; reported only, never gated\n", "",
                     resolved ? "differs" : "no difference resolved");
}

std::string side_text(char letter, const Side& side) {
  return fmt::format("  {} {:<12} {}\n    {:<12} sha256 {:.12}, git {:.12}{}, {}, flags {}\n",
                     letter, side.name, fmt::join(side.argv, " "), "", side.build.binary_sha256,
                     side.build.git_sha, side.build.dirty ? " (dirty)" : "", side.build.compiler,
                     side.build.flags);
}

std::string method_text(const CompareRecord& record) {
  const CompareOptions& options = record.options;
  return fmt::format(
      "  how: fresh server process per sample, {} connections x {} bytes ping-pong, {} operations "
      "in {} chunks (least\n"
      "       chunk counts), {} (server cpu {}, load cpu {}), blocks ABBA/BAAB from seed {}, "
      "margin {:.1f} %, "
      "{:.1f} s\n  machine: {}, {}\n",
      options.workload.connections, options.workload.bytes, options.workload.operations,
      options.workload.chunks, options.placement.name, options.placement.server_cpu,
      options.placement.load_cpu, options.seed, 100 * std::expm1(options.margin), record.seconds,
      record.machine.fingerprint(), record.machine.hypervisor);
}

std::string_view ending_text(Ending ending) {
  switch (ending) {
    case Ending::decided:
      return "a look decided";
    case Ending::rounds_used_up:
      return "the rounds were used up";
    case Ending::out_of_time:
      return "the budget was used up";
  }
  return "?";
}

nlohmann::json estimate_json(const std::vector<Round>& rounds, Metric metric) {
  const auto values = log_ratios(rounds, metric);
  const Estimate result = estimate(values);
  nlohmann::json json{
      {"n", result.n}, {"log_ratio", result.median}, {"ratio", std::exp(result.median)}};
  json["interval"] = nullptr;
  if (result.interval) {
    json["interval"] = {{"low", std::exp(result.interval->low)},
                        {"high", std::exp(result.interval->high)}};
  }
  if (!values.empty()) {
    const Diagnostics diagnostics = diagnose(values);
    json["ljung_box_p"] = diagnostics.ljung_box_p;
    json["runs_p"] = diagnostics.runs_p;
    json["noisy"] = diagnostics.noisy();
  }
  return json;
}

nlohmann::json rounds_json(const std::vector<Round>& rounds) {
  auto json = nlohmann::json::array();
  for (const Round& round : rounds) {
    json.push_back({{"order", round.b_first ? "BA" : "AB"},
                    {"a", round.a},
                    {"b", round.b},
                    {"cpu_ratio", std::exp(log_ratios({round}, Metric::cpu).front())},
                    {"wall_ratio", std::exp(log_ratios({round}, Metric::wall).front())}});
  }
  return json;
}

nlohmann::json side_json(const Side& side) {
  return {{"name", side.name}, {"command", side.argv}, {"build", side.build}};
}

}  // namespace

std::string verdict_sentence(const CompareRecord& record) {
  if (record.identical)
    return "identical: same binary and same command, nothing to compare (--aa measures anyway)";
  const std::string name(name_of(record.state));
  const std::string canary =
      record.options.aa ? " (A/A: a false alarm; trust no timing of this machine now)" : "";
  switch (record.state) {
    case State::regressed:
      return name + ": B costs more CPU than A, confirmed by a second run" + canary;
    case State::improved:
      return name + ": B costs less CPU than A, confirmed by a second run" + canary;
    case State::equivalent:
      return name + ": no difference beyond the margin";
    case State::unresolved:
      break;
  }
  if (record.needed_confirmation()) {
    const bool had_time = record.confirm_rounds.size() >= kLooks.front();
    return fmt::format("{}: no difference resolved; {} the first {}", name,
                       had_time ? "a second run did not confirm" : "no time was left to confirm",
                       name_of(record.first_state));
  }
  return fmt::format("{}: no difference resolved; {} before a look decided", name,
                     ending_text(record.ending));
}

std::string describe(const CompareRecord& record) {
  std::string text =
      fmt::format("compare {} (A) with {} (B)\n", record.options.a.name, record.options.b.name) +
      side_text('A', record.options.a) + side_text('B', record.options.b);
  if (!record.identical && !record.rounds.empty()) {
    text += method_text(record) + metric_line(record, Metric::cpu) + confirm_line(record) +
            wall_line(record);
  }
  return text + "  verdict: " + verdict_sentence(record) + "\n";
}

nlohmann::json to_json(const CompareRecord& record) {
  const CompareOptions& options = record.options;
  nlohmann::json json{
      {"tool", "skysock-perf compare"},
      {"tool_version", kToolVersion},
      {"started", record.started},
      {"machine", record.machine},
      {"a", side_json(options.a)},
      {"b", side_json(options.b)},
      {"aa", options.aa},
      {"identical", record.identical},
      {"placement", options.placement},
      {"connections", options.workload.connections},
      {"bytes", options.workload.bytes},
      {"operations", options.workload.operations},
      {"chunks", options.workload.chunks},
      {"seed", options.seed},
      {"margin", std::expm1(options.margin)},
      {"alpha_per_look", kAlphaPerLook},
      {"seconds", record.seconds},
      {"verdict", record.identical ? "IDENTICAL" : name_of(record.state)},
      {"verdict_text", verdict_sentence(record)},
      {"first_verdict", name_of(record.first_state)},
      {"confirmed", record.needed_confirmation() && record.state == record.first_state},
      {"ended_because", ending_text(record.ending)},
      {"rounds", rounds_json(record.rounds)},
      {"confirm_rounds", rounds_json(record.confirm_rounds)}};
  json["metrics"] = {{name_of(Metric::cpu), estimate_json(record.rounds, Metric::cpu)},
                     {name_of(Metric::wall), estimate_json(record.rounds, Metric::wall)}};
  json["metrics"][name_of(Metric::cpu)]["confirmation"] =
      estimate_json(record.confirm_rounds, Metric::cpu);
  return json;
}

}  // namespace skysock::results
