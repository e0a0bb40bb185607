#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace skysock::load {

/// Latencies counted in classes of at most 0.8 % width, 0 ns to 73 minutes: no sample is kept, so
/// recording costs the same for the first and the billionth and percentiles of many slices can be
/// taken together. One thread.
///
/// Source: the layout is that of HdrHistogram (Gil Tene): powers of two, each in equal parts.
class LatencyHistogram {
 public:
  /// Negative is taken as 0, more than the range as its end. Cost: no allocation.
  void record(std::chrono::nanoseconds latency);
  void merge(const LatencyHistogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// The smallest latency that at least `share` of the samples do not exceed; the upper end of its
  /// class, so never less than the truth. 0 without samples. Requires: 0 <= share <= 1.
  [[nodiscard]] std::chrono::nanoseconds percentile(double share) const;
  /// The largest one, exactly.
  [[nodiscard]] std::chrono::nanoseconds max() const { return max_; }

 private:
  static constexpr unsigned kPartBits = 7;  ///< 128 parts per power of two.
  static constexpr unsigned kBitsMax = 42;
  static constexpr std::size_t kClasses = (kBitsMax - kPartBits + 1) << kPartBits;

  [[nodiscard]] static std::size_t class_of(std::uint64_t ns);
  [[nodiscard]] static std::uint64_t upper_end(std::size_t index);

  std::array<std::uint64_t, kClasses> counts_{};
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds max_{};
};

}  // namespace skysock::load
