// Is every difference that matters found, named with old and new, and nothing else?

#include "bench/counts/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skysock::bench::counts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Record base() {
  return {.reason = "first",
          .fingerprint = {{"compiler", "clang 19"}, {"library libc.so.6", "12"}},
          .scenarios = {{"echo",
                         {{kInstructions, 1'000},
                          {kAllocations, 1},
                          {kBytes, 64},
                          {"syscalls_per_operation.sendto", 1}}},
                        {"lua_echo", {{kInstructions, 3'000}}}}};
}

Comparison after(const char* metric, double value) {
  Record now = base();
  now.scenarios["echo"][metric] = value;
  return compare(base(), now);
}

TEST(CountsComparison, EqualRecordsPass) {
  const Comparison same = compare(base(), base());
  EXPECT_THAT(same.differences, IsEmpty());
  EXPECT_THAT(same.missing, IsEmpty());
  EXPECT_THAT(same.notes, IsEmpty());
}

TEST(CountsComparison, EveryKindOfMetricIsNamedWithOldAndNew) {
  EXPECT_THAT(after(kInstructions, 1'010).differences,
              ElementsAre("echo: instructions_per_operation: old 1000, new 1010 (+1.00 %, allowed "
                          "0.1 %)"));
  EXPECT_THAT(after(kAllocations, 2).differences,
              ElementsAre("echo: allocations_per_operation: old 1, new 2 (+100.00 %, allowed no "
                          "change)"));
  EXPECT_THAT(
      after(kBytes, 65).differences,
      ElementsAre("echo: allocated_bytes_per_operation: old 64, new 65 (+1.56 %, allowed no "
                  "change)"));
  EXPECT_THAT(
      after("syscalls_per_operation.sendto", 1.01).differences,
      ElementsAre("echo: syscalls_per_operation.sendto: old 1, new 1.01 (+1.00 %, allowed no "
                  "change)"));
}

TEST(CountsComparison, ACallThatWasNeverMadeBeforeIsADifference) {
  EXPECT_THAT(after("syscalls_per_operation.epoll_ctl", 1).differences,
              ElementsAre("echo: syscalls_per_operation.epoll_ctl: old 0, new 1 (allowed no "
                          "change)"));
}

TEST(CountsComparison, ACallThatIsNoLongerMadeIsADifference) {
  Record now = base();
  now.scenarios["echo"].erase("syscalls_per_operation.sendto");
  EXPECT_THAT(
      compare(base(), now).differences,
      ElementsAre("echo: syscalls_per_operation.sendto: old 1, new 0 (-100.00 %, allowed no "
                  "change)"));
}

TEST(CountsComparison, FewerInstructionsAreADifferenceToo) {
  EXPECT_THAT(after(kInstructions, 998).differences,
              ElementsAre("echo: instructions_per_operation: old 1000, new 998 (-0.20 %, allowed "
                          "0.1 %)"));
  EXPECT_THAT(after(kInstructions, 1'000.9).differences, IsEmpty());
  EXPECT_THAT(after(kInstructions, 999.1).differences, IsEmpty());
}

TEST(CountsComparison, AConnectMayDifferByHalfAPercent) {
  EXPECT_EQ(allowed_percent("connect_out"), 0.5);
  EXPECT_EQ(allowed_percent("echo"), 0.1);
}

TEST(CountsComparison, LuaMayDifferByTwoPercent) {
  Record now = base();
  now.scenarios["lua_echo"][kInstructions] = 3'050;
  EXPECT_THAT(compare(base(), now).differences, IsEmpty());
  now.scenarios["lua_echo"][kInstructions] = 3'090;
  EXPECT_THAT(
      compare(base(), now).differences,
      ElementsAre("lua_echo: instructions_per_operation: old 3000, new 3090 (+3.00 %, allowed "
                  "2 %)"));
}

TEST(CountsComparison, AnotherToolchainSkipsInstructionsOnly) {
  Record now = base();
  now.fingerprint["library libc.so.6"] = "13";
  now.fingerprint["valgrind"] = "new";
  now.scenarios["echo"][kInstructions] = 5'000;
  now.scenarios["echo"][kAllocations] = 0;
  const Comparison found = compare(base(), now);
  EXPECT_THAT(found.notes, ElementsAre("instructions are not compared: the baseline has another "
                                       "library libc.so.6, valgrind"));
  EXPECT_THAT(found.differences,
              ElementsAre("echo: allocations_per_operation: old 1, new 0 (-100.00 %, allowed no "
                          "change)"));
}

TEST(CountsComparison, InstructionsThatWereNotCountedAreSaidToBeMissing) {
  Record now = base();
  for (auto& [scenario, metrics] : now.scenarios) metrics.erase(kInstructions);
  const Comparison found = compare(base(), now);
  EXPECT_THAT(found.notes, ElementsAre("instructions were not counted, so not compared"));
  EXPECT_THAT(found.differences, IsEmpty());
}

TEST(CountsComparison, AScenarioOfOneSideIsMissingUnlessItCannotRun) {
  Record now = base();
  now.scenarios.erase("lua_echo");
  now.scenarios["new"] = {{kAllocations, 0}};
  EXPECT_THAT(compare(base(), now).missing,
              ElementsAre("lua_echo: in the baseline, but not counted now",
                          "new: counted now, but not in the baseline"));
  now.scenarios.erase("new");
  const Comparison excused = compare(base(), now, {"lua_echo"});
  EXPECT_THAT(excused.missing, IsEmpty());
  EXPECT_THAT(excused.notes, ElementsAre("lua_echo: not compared: it cannot run here"));
}

TEST(CountsComparison, TwoRunsMustAgree) {
  Record again = base();
  EXPECT_THAT(compare_runs(base(), again), IsEmpty());
  again.scenarios["echo"][kInstructions] = 1'000.5;
  EXPECT_THAT(compare_runs(base(), again), IsEmpty());
  again.scenarios["echo"][kInstructions] = 1'002;
  again.scenarios["echo"][kBytes] = 63;
  again.scenarios.erase("lua_echo");
  EXPECT_THAT(compare_runs(base(), again),
              ElementsAre("echo: allocated_bytes_per_operation: first run 64, second run 63: "
                          "expected the same",
                          "echo: instructions_per_operation: first run 1000, second run 1002: "
                          "expected the same",
                          "lua_echo: only the first run counted it"));
}

}  // namespace
}  // namespace skysock::bench::counts
