#pragma once

#include <span>
#include <vector>

namespace skysock::bench::compare {

/// The smallest value that at least `fraction` of the values do not exceed (nearest rank).
/// Requires: not empty, 0 <= fraction <= 1.
double percentile(std::span<const double> values, double fraction);

/// values[i] / baseline[i]. Requires: equal sizes, no baseline is 0.
std::vector<double> paired_ratios(std::span<const double> values, std::span<const double> baseline);

/// How one server's cost stands to the baseline's.
struct Ratio {
  double value = 0;         ///< 10th percentile over rounds, divided by the baseline's.
  double pairs_p25 = 0;     ///< Of the ratios within one round each.
  double pairs_median = 0;  ///< Far from `value`: the machine was busy; measure again.
  double pairs_p75 = 0;

  /// Whether `value` is more than 3 % outside the middle half of the pairs: the calm rounds of the
  /// two servers were not the same ones, so it says more about the machine than about them.
  [[nodiscard]] bool disturbed() const;

  bool operator==(const Ratio&) const = default;
};

/// Requires: as paired_ratios(), and not empty.
Ratio ratio_of(std::span<const double> values, std::span<const double> baseline);

/// The percentile at which a disturbed machine still tells the truth: noise only adds.
inline constexpr double kCalm = 0.10;

}  // namespace skysock::bench::compare
