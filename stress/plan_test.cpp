// Can a run be repeated from its seed, and do the plans cover what they promise: sizes, depths and
// endings?

#include "stress/plan.hpp"

#include <gtest/gtest.h>

#include <set>

namespace skysock::stress {
namespace {

constexpr std::size_t kMessageBytesMax = 262144;

TEST(Plan, IsAFunctionOfSeedAndConnection) {
  const Plan plan = make_plan(1, 100, kMessageBytesMax);
  EXPECT_EQ(plan, make_plan(1, 100, kMessageBytesMax));
  std::set<std::uint32_t> messages;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    messages.insert(make_plan(seed, 100, kMessageBytesMax).messages);
  }
  EXPECT_GT(messages.size(), 10U);
}

TEST(Plan, HalfOfTheConnectionsEndWithAHalfClose) {
  int half_closes = 0;
  for (std::uint64_t sequence = 0; sequence < 100; ++sequence) {
    const Plan plan = make_plan(5, connection_number(2, sequence), kMessageBytesMax);
    half_closes += plan.ending == Ending::half_close ? 1 : 0;
  }
  EXPECT_EQ(half_closes, 50);
}

TEST(Plan, BothEndingsMeetTinyPiecesSmallWindowsAndSeveralInFlight) {
  for (const std::uint64_t parity : {0U, 1U}) {
    bool tiny = false;
    bool small_window = false;
    bool several = false;
    for (std::uint64_t sequence = parity; sequence < 400; sequence += 2) {
      const Plan plan = make_plan(5, sequence, kMessageBytesMax);
      tiny = tiny || plan.write_bytes_max < 100;
      small_window = small_window || plan.receive_buffer_bytes > 0;
      several = several || plan.in_flight_max > 4;
    }
    EXPECT_TRUE(tiny && small_window && several);
  }
}

TEST(Plan, NoMessageIsLargerThanAsked) {
  for (std::uint64_t sequence = 0; sequence < 200; ++sequence) {
    EXPECT_LE(make_plan(5, sequence, 10).message_bytes_max, 10U);
  }
}

TEST(LogUniform, StaysInRangeAndReachesBothEnds) {
  for (const std::uint64_t max : {1U, 2U, 7U, 8U}) {
    Prng prng(max);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(log_uniform(prng, max));
    EXPECT_EQ(*seen.begin(), 1U);
    EXPECT_EQ(*seen.rbegin(), max);
  }
}

TEST(LogUniform, SmallSizesAreAsLikelyAsLargeOnes) {
  Prng prng(3);
  int below_512 = 0;
  for (int i = 0; i < 1000; ++i) below_512 += log_uniform(prng, kMessageBytesMax) < 512 ? 1 : 0;
  EXPECT_GT(below_512, 350);
  EXPECT_LT(below_512, 650);
}

}  // namespace
}  // namespace skysock::stress
