#include "bench/load/latency.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/base/check.hpp"

namespace skysock::load {

std::size_t LatencyHistogram::class_of(std::uint64_t ns) {
  const auto bits = static_cast<unsigned>(std::bit_width(ns));
  if (bits <= kPartBits) return ns;
  // The highest bit chooses the power of two, the next kPartBits bits the part of it.
  const unsigned shift = bits - kPartBits - 1;
  return (static_cast<std::size_t>(shift) << kPartBits) + (ns >> shift);
}

std::uint64_t LatencyHistogram::upper_end(std::size_t index) {
  constexpr std::size_t kParts = std::size_t{1} << kPartBits;
  if (index < 2 * kParts) return index;
  const std::size_t shift = (index >> kPartBits) - 1;
  const std::uint64_t first = kParts + (index & (kParts - 1));
  return ((first + 1) << shift) - 1;
}

void LatencyHistogram::record(std::chrono::nanoseconds latency) {
  constexpr std::uint64_t kMax = (std::uint64_t{1} << kBitsMax) - 1;
  const auto ns =
      std::min(kMax, static_cast<std::uint64_t>(std::max<std::int64_t>(0, latency.count())));
  ++counts_[class_of(ns)];
  ++count_;
  max_ = std::max(max_, std::chrono::nanoseconds(ns));
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (std::size_t index = 0; index < kClasses; ++index) counts_[index] += other.counts_[index];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::chrono::nanoseconds LatencyHistogram::percentile(double share) const {
  SKYSOCK_CHECK(share >= 0 && share <= 1);
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < kClasses; ++index) {
    seen += counts_[index];
    if (seen >= wanted && seen > 0) {
      return std::min(max_, std::chrono::nanoseconds(upper_end(index)));
    }
  }
  return {};
}

}  // namespace skysock::load
