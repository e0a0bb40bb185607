#include "results/compare.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock::results {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSeriesBudget = 0.6;

/// Says when the next block would end too late, from the longest block so far.
class Budget {
 public:
  explicit Budget(Clock::time_point end) : end_(end), block_start_(Clock::now()) {}

  bool is_used_up() {
    const auto now = Clock::now();
    longest_block_ = std::max(longest_block_, now - block_start_);
    block_start_ = now;
    return now + longest_block_ > end_;
  }

  [[nodiscard]] double seconds_left() const {
    return std::max(0.0, std::chrono::duration<double>(end_ - Clock::now()).count());
  }

 private:
  Clock::time_point end_;
  Clock::time_point block_start_;
  Clock::duration longest_block_{};
};

/// Takes rounds for one series and keeps them.
class Rounds {
 public:
  Rounds(const CompareOptions& options, const TakeSample& take) : options_(options), take_(take) {}

  Outcome<double> measure(bool b_first) {
    Round round;
    round.b_first = b_first;
    for (const bool is_b : {b_first, !b_first}) {
      auto sample = take_(is_b ? options_.b : options_.a, options_.workload);
      if (!sample) return std::unexpected(sample.error());
      (is_b ? round.b : round.a) = std::move(*sample);
    }
    taken_.push_back(std::move(round));
    return log_ratios({taken_.back()}, Metric::cpu).front();
  }

  [[nodiscard]] const std::vector<Round>& taken() const { return taken_; }

 private:
  const CompareOptions& options_;
  const TakeSample& take_;
  std::vector<Round> taken_;
};

struct SeriesResult {
  SeriesEnd end;
  std::vector<Round> rounds;
};

struct SeriesPlan {
  const char* phase;
  std::size_t rounds_max;
  bool looks;
  std::uint64_t seed;
  Clock::time_point end;
};

Outcome<SeriesResult> take_series(const CompareOptions& options, const TakeSample& take,
                                  const OnProgress& progress, const SeriesPlan& plan) {
  const auto start = Clock::now();
  Budget budget(plan.end);
  Rounds rounds(options, take);
  const SeriesLimits limits{plan.rounds_max, options.margin, plan.looks,
                            [&] { return budget.is_used_up(); }};
  const auto end = run_series(limits, plan.seed, [&](bool b_first) -> Outcome<double> {
    auto log_ratio = rounds.measure(b_first);
    if (!log_ratio) return log_ratio;
    const double ratio = std::exp(median(log_ratios(rounds.taken(), Metric::cpu)));
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double per_round = seconds / static_cast<double>(rounds.taken().size());
    const double left = per_round * static_cast<double>(plan.rounds_max - rounds.taken().size());
    progress({plan.phase, rounds.taken().size(), plan.rounds_max, ratio, seconds,
              std::min(left, budget.seconds_left())});
    return log_ratio;
  });
  if (!end) return std::unexpected(end.error());
  return SeriesResult{*end, rounds.taken()};
}

}  // namespace

std::string name_of(Metric metric) {
  return metric == Metric::cpu ? "cpu_ns_per_operation" : "wall_ns_per_operation";
}

double gated_value(const Sample& sample, Metric metric) {
  return std::ranges::min(metric == Metric::cpu ? sample.cpu_ns_per_operation
                                                : sample.wall_ns_per_operation);
}

std::vector<double> log_ratios(const std::vector<Round>& rounds, Metric metric) {
  std::vector<double> result;
  result.reserve(rounds.size());
  for (const Round& round : rounds) {
    result.push_back(std::log(gated_value(round.b, metric) / gated_value(round.a, metric)));
  }
  return result;
}

bool is_identical(const Side& a, const Side& b) {
  return a.build.binary_sha256 == b.build.binary_sha256 &&
         std::ranges::equal(std::span(a.argv).subspan(1), std::span(b.argv).subspan(1));
}

Outcome<CompareRecord> compare(const CompareOptions& options, const TakeSample& take,
                               const OnProgress& progress) {
  SKYSOCK_CHECK(options.workload.operations > 0);
  const auto start = Clock::now();
  CompareRecord record;
  record.started = now_utc();
  record.options = options;
  record.machine = read_machine_facts();
  const auto first_end =
      start + std::chrono::duration_cast<Clock::duration>(options.budget * kSeriesBudget);
  auto first = take_series(options, take, progress,
                           {"measuring", options.rounds_max, true, options.seed, first_end});
  if (!first) return std::unexpected(first.error());
  record.rounds = std::move(first->rounds);
  record.first_state = record.state = first->end.state;
  record.ending = first->end.ending;
  if (record.needed_confirmation()) {
    auto second = take_series(
        options, take, progress,
        {"confirming", kConfirmRounds, false, mix64(options.seed), start + options.budget});
    if (!second) return std::unexpected(second.error());
    record.confirm_rounds = std::move(second->rounds);
    record.state = confirmed_state(record.first_state, second->end.state);
  }
  record.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return record;
}

ExitCode exit_code_of(const CompareRecord& record, bool strict) {
  if (record.identical) return kPass;
  if (record.rounds.empty()) return kNothingMeasured;
  const bool alarm = record.state == State::regressed || record.state == State::improved;
  // A false alarm of an A/A run is the canary's veto: no timing verdict of this machine can be
  // trusted now.
  if (record.state == State::unresolved || (record.options.aa && alarm))
    return strict ? kUnresolved : kPass;
  return record.state == State::regressed ? kFound : kPass;
}

}  // namespace skysock::results
