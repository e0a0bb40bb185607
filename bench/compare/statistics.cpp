#include "bench/compare/statistics.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/check.hpp"

namespace skysock::bench::compare {

double percentile(std::span<const double> values, double fraction) {
  SKYSOCK_CHECK(!values.empty() && fraction >= 0 && fraction <= 1);
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const auto rank =
      static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[rank == 0 ? 0 : rank - 1];
}

std::vector<double> paired_ratios(std::span<const double> values,
                                  std::span<const double> baseline) {
  SKYSOCK_CHECK(values.size() == baseline.size());
  std::vector<double> ratios;
  for (std::size_t round = 0; round < values.size(); ++round) {
    SKYSOCK_CHECK(baseline[round] != 0);
    ratios.push_back(values[round] / baseline[round]);
  }
  return ratios;
}

bool Ratio::disturbed() const {
  constexpr double kMargin = 0.03;
  return value < pairs_p25 * (1 - kMargin) || value > pairs_p75 * (1 + kMargin);
}

Ratio ratio_of(std::span<const double> values, std::span<const double> baseline) {
  const std::vector<double> pairs = paired_ratios(values, baseline);
  return {.value = percentile(values, kCalm) / percentile(baseline, kCalm),
          .pairs_p25 = percentile(pairs, 0.25),
          .pairs_median = percentile(pairs, 0.5),
          .pairs_p75 = percentile(pairs, 0.75)};
}

}  // namespace skysock::bench::compare
