// Are the median and its sign-test interval exact, and do the diagnostics see dependence? The
// interval is checked against counts made by brute force here, not against the library it uses.

#include "results/statistics.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "core/base/prng.hpp"

namespace skysock::results {
namespace {

std::vector<double> one_to(std::size_t n) {
  std::vector<double> values(n);
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

/// Of all 2^n outcomes of n fair coins, the part with fewer than `cut` heads or fewer than `cut`
/// tails.
double missed(unsigned n, unsigned cut) {
  std::uint64_t count = 0;
  for (std::uint32_t coins = 0; coins < (1U << n); ++coins) {
    const auto heads = static_cast<unsigned>(std::popcount(coins));
    if (heads < cut || n - heads < cut) ++count;
  }
  return static_cast<double>(count) / static_cast<double>(1U << n);
}

TEST(Median, IsTheMiddleOrTheMeanOfTheTwoMiddleOnes) {
  EXPECT_EQ(median(std::vector{3.0, 1.0, 2.0}), 2.0);
  EXPECT_EQ(median(std::vector{4.0, 1.0, 2.0, 3.0}), 2.5);
}

TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(percentile(one_to(100), 0.99), 99.0);
  EXPECT_EQ(percentile(one_to(10), 0.99), 10.0);
  EXPECT_EQ(percentile(one_to(1), 0.99), 1.0);
  EXPECT_EQ(percentile(one_to(10), 0.0), 1.0);
}

TEST(SignInterval, IsTheNarrowestThatBruteForceAllows) {
  for (const double alpha : {0.0025, 0.05, 0.3}) {
    for (unsigned n = 1; n <= 18; ++n) {
      unsigned cut = 0;
      while (cut + 1 <= n / 2 && missed(n, cut + 1) <= alpha) ++cut;
      const auto interval = sign_interval(one_to(n), alpha);
      if (cut == 0) {
        EXPECT_FALSE(interval) << "n " << n << " alpha " << alpha;
        continue;
      }
      ASSERT_TRUE(interval) << "n " << n << " alpha " << alpha;
      EXPECT_EQ(*interval, (Interval{double(cut), double(n - cut + 1)}))
          << "n " << n << " alpha " << alpha;
    }
  }
}

// Computed with exact integer arithmetic: the largest k with 2 sum_{i<k} C(n,i) <= 0.0025 2^n.
TEST(SignInterval, MatchesTheTableAtTheFourLooks) {
  struct Row {
    std::size_t n;
    double low, high;
  };
  for (const auto& [n, low, high] :
       {Row{16, 2, 15}, Row{32, 8, 25}, Row{64, 20, 45}, Row{128, 47, 82}}) {
    EXPECT_EQ(sign_interval(one_to(n), 0.0025), (Interval{low, high})) << n;
  }
}

TEST(SignInterval, TooFewValuesHaveNone) {
  EXPECT_FALSE(sign_interval(one_to(9), 0.0025));
  EXPECT_TRUE(sign_interval(one_to(10), 0.0025));
  EXPECT_FALSE(sign_interval({}, 0.5));
}

TEST(SignInterval, DoesNotDependOnTheOrder) {
  auto values = one_to(40);
  const auto before = sign_interval(values, 0.01);
  std::swap(values[0], values[39]);
  std::swap(values[3], values[20]);
  EXPECT_EQ(sign_interval(values, 0.01), before);
}

TEST(Diagnostics, IndependentValuesAreRarelyNoisy) {
  Prng prng(5);
  int noisy = 0;
  for (int series = 0; series < 200; ++series) {
    std::vector<double> values(64);
    for (double& value : values) value = static_cast<double>(prng.below(1'000'000));
    noisy += diagnose(values).noisy() ? 1 : 0;
  }
  EXPECT_LE(noisy, 12);  // Two tests at 1 %: 4 expected.
}

TEST(Diagnostics, ADriftIsNoisy) { EXPECT_TRUE(diagnose(one_to(64)).noisy()); }

TEST(Diagnostics, AlternationIsNoisy) {
  std::vector<double> values(64);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = (i % 2 == 0 ? 1.0 : 2.0) + 0.001 * double(i);
  EXPECT_LT(diagnose(values).runs_p, 0.01);
}

TEST(Diagnostics, ConstantOrFewValuesSayNothing) {
  EXPECT_FALSE(diagnose(std::vector<double>(64, 1.5)).noisy());
  EXPECT_FALSE(diagnose(one_to(8)).noisy());
}

}  // namespace
}  // namespace skysock::results
