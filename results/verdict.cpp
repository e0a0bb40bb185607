#include "results/verdict.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/check.hpp"

namespace skysock::results {

namespace {

bool is_look(std::size_t rounds) { return std::ranges::find(kLooks, rounds) != kLooks.end(); }

}  // namespace

std::string_view name_of(State state) {
  switch (state) {
    case State::regressed:
      return "REGRESSED";
    case State::improved:
      return "IMPROVED";
    case State::equivalent:
      return "EQUIVALENT";
    case State::unresolved:
      return "UNRESOLVED";
  }
  return "?";
}

Estimate estimate(std::span<const double> log_ratios) {
  if (log_ratios.empty()) return {};
  return {log_ratios.size(), median(log_ratios), sign_interval(log_ratios, kAlphaPerLook)};
}

State judge(const Estimate& estimate, double margin) {
  if (!estimate.interval) return State::unresolved;
  const auto [low, high] = *estimate.interval;
  if (low > 0 && estimate.median > margin) return State::regressed;
  if (high < 0 && estimate.median < -margin) return State::improved;
  if (low > -margin && high < margin) return State::equivalent;
  return State::unresolved;
}

State confirmed_state(State first, State second) {
  const bool alarm = first == State::regressed || first == State::improved;
  return !alarm || first == second ? first : State::unresolved;
}

double margin_from(std::span<const double> aa_medians) {
  if (aa_medians.empty()) return kMarginMin;
  std::vector<double> sizes;
  for (const double value : aa_medians) sizes.push_back(std::abs(value));
  return std::max(kMarginMin, 1.5 * percentile(sizes, 0.99));
}

std::array<bool, 2> BlockPlan::next() {
  const bool b_first = prng_.below(2) == 1;
  return {b_first, !b_first};
}

Outcome<SeriesEnd> run_series(const SeriesLimits& limits, std::uint64_t seed,
                              const MeasureRound& measure) {
  SKYSOCK_CHECK(limits.rounds_max % 2 == 0);
  BlockPlan plan(seed);
  std::vector<double> log_ratios;
  while (log_ratios.size() < limits.rounds_max) {
    if (limits.out_of_time()) {
      if (limits.looks) return SeriesEnd{State::unresolved, Ending::out_of_time};
      break;
    }
    for (const bool b_first : plan.next()) {
      auto log_ratio = measure(b_first);
      if (!log_ratio) return std::unexpected(log_ratio.error());
      log_ratios.push_back(*log_ratio);
    }
    if (!limits.looks || !is_look(log_ratios.size())) continue;
    const State state = judge(estimate(log_ratios), limits.margin);
    if (state != State::unresolved) return SeriesEnd{state, Ending::decided};
  }
  const bool complete = log_ratios.size() == limits.rounds_max;
  const Ending ending = complete ? Ending::rounds_used_up : Ending::out_of_time;
  // The one look of a confirmation: how many rounds time allowed does not depend on what they said.
  if (limits.looks || log_ratios.size() < kLooks.front())
    return SeriesEnd{State::unresolved, ending};
  return SeriesEnd{judge(estimate(log_ratios), limits.margin), ending};
}

}  // namespace skysock::results
