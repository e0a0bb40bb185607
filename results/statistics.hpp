#pragma once

#include <optional>
#include <span>
#include <vector>

namespace skysock::results {

struct Interval {
  double low = 0;
  double high = 0;

  bool operator==(const Interval&) const = default;
};

/// The middle value, or the mean of the two middle ones. Requires: not empty.
double median(std::span<const double> values);

/// The smallest value that at least `fraction` of the values do not exceed (nearest rank).
/// Requires: not empty.
double percentile(std::span<const double> values, double fraction);

/// A confidence interval of the median that assumes nothing about the distribution: the order
/// statistics that an exact sign test at `alpha` (two-sided) does not reject. None when so few
/// values cannot reach `alpha`.
std::optional<Interval> sign_interval(std::span<const double> values, double alpha);

/// Whether successive values look independent; the sign test assumes it.
struct Diagnostics {
  double ljung_box_p = 1;  ///< Small: values resemble their predecessors.
  double runs_p = 1;       ///< Small: too few or too many runs above and below the median.

  [[nodiscard]] bool noisy() const;
};

/// Both p-values are 1 when there are too few or only equal values to say.
Diagnostics diagnose(std::span<const double> values);

}  // namespace skysock::results
