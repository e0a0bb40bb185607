#include "bench/load/latency.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/prng.hpp"

namespace skysock::load {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

TEST(LatencyHistogram, WithoutSamplesEverythingIsZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile(0.999), 0ns);
  EXPECT_EQ(histogram.max(), 0ns);
}

TEST(LatencyHistogram, SmallLatenciesAreExact) {
  LatencyHistogram histogram;
  for (int ns = 0; ns < 256; ++ns) histogram.record(nanoseconds(ns));
  EXPECT_EQ(histogram.percentile(0), 0ns);
  EXPECT_EQ(histogram.percentile(0.5), 127ns);
  EXPECT_EQ(histogram.percentile(1), 255ns);
}

TEST(LatencyHistogram, PercentilesOfARandomSampleAreWithinAClassOfTheSortedOnes) {
  Prng random(7);
  LatencyHistogram histogram;
  std::vector<std::int64_t> sorted;
  for (int sample = 0; sample < 100'000; ++sample) {
    const auto ns = static_cast<std::int64_t>(random.below(std::uint64_t{1} << random.below(41)));
    histogram.record(nanoseconds(ns));
    sorted.push_back(ns);
  }
  std::ranges::sort(sorted);
  for (const double share : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * 100'000.0));
    const auto exact = static_cast<double>(sorted[rank - 1]);
    const auto found = static_cast<double>(histogram.percentile(share).count());
    EXPECT_GE(found, exact) << share;
    EXPECT_LE(found, exact * 1.008 + 1) << share;
  }
  EXPECT_EQ(histogram.max(), nanoseconds(sorted.back()));
}

TEST(LatencyHistogram, WhatIsOutOfRangeCountsAtItsEnds) {
  LatencyHistogram histogram;
  histogram.record(-5ns);
  EXPECT_EQ(histogram.percentile(1), 0ns);
  histogram.record(nanoseconds::max());
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_GT(histogram.percentile(1), 1h);
}

TEST(LatencyHistogram, MergedIsAsIfRecordedTogether) {
  LatencyHistogram calm;
  LatencyHistogram busy;
  for (int sample = 0; sample < 99; ++sample) calm.record(1us);
  busy.record(200ms);
  calm.merge(busy);
  EXPECT_EQ(calm.count(), 100U);
  EXPECT_LT(calm.percentile(0.99), 1010ns);
  EXPECT_EQ(calm.percentile(0.999), 200ms);
  EXPECT_EQ(calm.max(), 200ms);
}

}  // namespace
}  // namespace skysock::load
