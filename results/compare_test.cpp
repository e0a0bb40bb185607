// Does a comparison take the rounds the rule asks for, confirm alarms, and say no more than it
// knows? The samples are synthetic; perf_program_test.cpp does the same with real servers.

#include "results/compare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/synthetic_compare.hpp"

namespace skysock::results {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Compare, ASlowerSideIsRegressedAfterTwoIndependentRuns) {
  const auto record = compare_synthetic(1.05);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, State::regressed);
  EXPECT_EQ(record->rounds.size(), 16U);
  EXPECT_EQ(record->confirm_rounds.size(), kConfirmRounds);
  EXPECT_EQ(exit_code_of(*record, false), kFound);
  EXPECT_THAT(describe(*record), HasSubstr("REGRESSED: B costs more CPU than A, confirmed"));
}

TEST(Compare, AFasterSideIsImprovedAndPasses) {
  const auto record = compare_synthetic(0.9);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, State::improved);
  EXPECT_EQ(record->confirm_rounds.size(), kConfirmRounds);
  EXPECT_EQ(exit_code_of(*record, true), kPass);
}

TEST(Compare, EqualSidesAreEquivalentWithoutConfirmation) {
  const auto record = compare_synthetic(1.0);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, State::equivalent);
  EXPECT_TRUE(record->confirm_rounds.empty());
  EXPECT_EQ(exit_code_of(*record, true), kPass);
}

TEST(Compare, AnAlarmThatDoesNotRepeatIsUnresolved) {
  int rounds = 0;
  auto slow = synthetic_sampler(1.2);
  auto equal = synthetic_sampler(1.0);
  const TakeSample take = [&](const Side& side, const Workload& workload) {
    return rounds < 16 ? slow(side, workload) : equal(side, workload);
  };
  const auto record = compare(synthetic_options(), take, [&](const Progress&) { ++rounds; });
  ASSERT_TRUE(record);
  EXPECT_EQ(record->first_state, State::regressed);
  EXPECT_EQ(record->state, State::unresolved);
  EXPECT_EQ(exit_code_of(*record, false), kPass);
  EXPECT_EQ(exit_code_of(*record, true), kUnresolved);
  EXPECT_THAT(verdict_sentence(*record), HasSubstr("no difference resolved"));
}

TEST(Compare, TooFewRoundsAreUnresolvedHoweverLargeTheDifference) {
  CompareOptions options = synthetic_options();
  options.rounds_max = 6;
  const auto record = compare_synthetic(2.0, options);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, State::unresolved);
  EXPECT_EQ(record->rounds.size(), 6U);
  EXPECT_THAT(describe(*record), HasSubstr("no interval from so few rounds"));
  EXPECT_THAT(verdict_sentence(*record), Not(HasSubstr("%")));
}

TEST(Compare, ABudgetOfNothingMeasuresNothing) {
  CompareOptions options = synthetic_options();
  options.budget = std::chrono::milliseconds(0);
  const auto record = compare_synthetic(1.0, options);
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->rounds.empty());
  EXPECT_EQ(exit_code_of(*record, false), kNothingMeasured);
}

TEST(Compare, AnAlarmOfTheSameServerVetoes) {
  CompareOptions options = synthetic_options();
  options.aa = true;
  const auto record = compare_synthetic(1.2, options);
  ASSERT_TRUE(record);
  EXPECT_EQ(exit_code_of(*record, false), kPass);
  EXPECT_EQ(exit_code_of(*record, true), kUnresolved);
  EXPECT_THAT(verdict_sentence(*record), HasSubstr("false alarm"));
}

TEST(Compare, AWiderMarginHoldsASmallDifferenceBack) {
  CompareOptions options = synthetic_options();
  options.margin = margin_from(std::vector{0.05});
  EXPECT_NE(compare_synthetic(1.05, options)->state, State::regressed);
}

TEST(Compare, TheLeastChunkCounts) {
  const Sample sample{{5, 3, 9}, {50, 30, 20}};
  EXPECT_EQ(gated_value(sample, Metric::cpu), 3);
  EXPECT_EQ(gated_value(sample, Metric::wall), 20);
}

TEST(Compare, EachBlockRunsBothOrders) {
  const auto record = compare_synthetic(1.0);
  ASSERT_TRUE(record);
  for (std::size_t i = 0; i < record->rounds.size(); i += 2) {
    EXPECT_NE(record->rounds[i].b_first, record->rounds[i + 1].b_first);
  }
}

TEST(Compare, AFailedSampleIsPassedOn) {
  const TakeSample take = [](const Side&, const Workload&) {
    return problem(kNothingMeasured, "server died");
  };
  const auto record = compare(synthetic_options(), take, [](const Progress&) {});
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().text, "server died");
}

TEST(Identical, MeansSameHashAndSameArguments) {
  CompareOptions options = synthetic_options();
  EXPECT_FALSE(is_identical(options.a, options.b));
  options.b.build = options.a.build;
  EXPECT_TRUE(is_identical(options.a, options.b)) << "the path of the program does not matter";
  options.b.argv.emplace_back("y");
  EXPECT_FALSE(is_identical(options.a, options.b));
}

TEST(CompareJson, HoldsAllChunksOrderAndVerdict) {
  const auto record = compare_synthetic(1.05);
  ASSERT_TRUE(record);
  const auto json = to_json(*record);
  EXPECT_EQ(json.at("verdict"), "REGRESSED");
  EXPECT_EQ(json.at("confirmed"), true);
  EXPECT_EQ(json.at("rounds").size(), 16U);
  EXPECT_EQ(json.at("rounds")[0].at("a").at("cpu_ns_per_operation").size(), 5U);
  EXPECT_NEAR(json.at("metrics").at("cpu_ns_per_operation").at("ratio").get<double>(), 1.05, 0.01);
  EXPECT_NEAR(json.at("margin").get<double>(), 0.03, 1e-12);
  EXPECT_EQ(json.at("seed"), 7);
}

}  // namespace
}  // namespace skysock::results
