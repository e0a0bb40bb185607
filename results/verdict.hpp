#pragma once

// The decision rule of a comparison, apart from how samples are taken: "Decisions" in
// core/DECISIONS.md says why it is this one. All values are natural logarithms of ratios B/A, so
// that a slowdown and its mirror image weigh the same.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/prng.hpp"
#include "results/outcome.hpp"
#include "results/statistics.hpp"

namespace skysock::results {

/// Decisions are taken at these numbers of rounds only: each further look costs false alarms.
inline constexpr std::array<std::size_t, 4> kLooks = {16, 32, 64, 128};
inline constexpr double kAlphaPerLook = 0.0025;  ///< 1 % in all.
inline constexpr std::size_t kConfirmRounds = 64;
inline constexpr double kMarginMin = 0.029558802241544429;  ///< ln(1.03)

enum class State { regressed, improved, equivalent, unresolved };
std::string_view name_of(State state);

struct Estimate {
  std::size_t n = 0;
  double median = 0;                 ///< 0 when n is 0.
  std::optional<Interval> interval;  ///< None when n is too small for alpha.
};

Estimate estimate(std::span<const double> log_ratios);

/// What one look says. `unresolved` means: go on.
State judge(const Estimate& estimate, double margin);

/// The state that gates: an alarm of either kind holds only when a second, independent series says
/// the same.
State confirmed_state(State first, State second);

/// max(3 %, 1.5 x the 99th percentile of |median| of this benchmark's own A/A runs).
double margin_from(std::span<const double> aa_medians);

/// Whether B runs first, for the two rounds of each block: ABBA or BAAB, at random from the seed. A
/// drift that is steady over a block so hits both sides alike.
class BlockPlan {
 public:
  explicit BlockPlan(std::uint64_t seed) : prng_(seed) {}
  std::array<bool, 2> next();

 private:
  Prng prng_;
};

/// How a series of rounds goes on and ends.
struct SeriesLimits {
  std::size_t rounds_max = 128;  ///< Even: blocks are not cut.
  double margin = kMarginMin;
  bool looks = true;  ///< False: take all rounds, then look once (the confirmation).
  std::function<bool()> out_of_time = [] { return false; };  ///< Asked before each block.
};

enum class Ending { decided, rounds_used_up, out_of_time };

struct SeriesEnd {
  State state = State::unresolved;
  Ending ending = Ending::rounds_used_up;
};

/// Takes one round, B first or not, and returns its log ratio, or why it could not.
using MeasureRound = std::function<Outcome<double>(bool b_first)>;

/// Takes blocks of two rounds until a look decides, the rounds are used up, or time is.
/// A series that ends between looks is unresolved: what it has seen since the last one has no alpha
/// left.
Outcome<SeriesEnd> run_series(const SeriesLimits& limits, std::uint64_t seed,
                              const MeasureRound& measure);

}  // namespace skysock::results
