#include "results/statistics.hpp"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/statistics/ljung_box.hpp>
#include <boost/math/statistics/runs_test.hpp>
#include <cmath>

#include "core/base/check.hpp"

namespace skysock::results {
namespace {

constexpr std::size_t kDiagnosedMin =
    16;  // The first look; both tests are asymptotic and say nothing below.
constexpr double kDiagnosticAlpha = 0.01;

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> result(values.begin(), values.end());
  std::ranges::sort(result);
  return result;
}

double p_or_one(double p) { return std::isfinite(p) ? p : 1.0; }

}  // namespace

double median(std::span<const double> values) {
  SKYSOCK_CHECK(!values.empty());
  const auto order = sorted(values);
  const std::size_t middle = order.size() / 2;
  return order.size() % 2 == 1 ? order[middle] : (order[middle - 1] + order[middle]) / 2;
}

double percentile(std::span<const double> values, double fraction) {
  SKYSOCK_CHECK(!values.empty());
  const auto order = sorted(values);
  const auto rank =
      static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(order.size())));
  return order[std::clamp<std::size_t>(rank, 1, order.size()) - 1];
}

std::optional<Interval> sign_interval(std::span<const double> values, double alpha) {
  if (values.empty()) return std::nullopt;
  const boost::math::binomial fair(static_cast<double>(values.size()), 0.5);
  // `cut` values may be left out at each end: the median lies beyond them with probability 2 P(X <
  // cut).
  std::size_t cut = 0;
  while (cut < values.size() / 2 && 2 * boost::math::cdf(fair, static_cast<double>(cut)) <= alpha)
    ++cut;
  if (cut == 0) return std::nullopt;
  const auto order = sorted(values);
  return Interval{order[cut - 1], order[order.size() - cut]};
}

bool Diagnostics::noisy() const {
  return ljung_box_p < kDiagnosticAlpha || runs_p < kDiagnosticAlpha;
}

Diagnostics diagnose(std::span<const double> values) {
  const auto [least, most] = std::ranges::minmax_element(values);
  if (values.size() < kDiagnosedMin || *least == *most) return {};
  const std::vector<double> copy(values.begin(), values.end());
  const auto ljung_box = boost::math::statistics::ljung_box(copy);
  const auto runs = boost::math::statistics::runs_above_and_below_median(copy);
  return {p_or_one(ljung_box.second), p_or_one(runs.second)};
}

}  // namespace skysock::results
