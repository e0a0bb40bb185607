// Do tasks stop and go on where they are told, does one that waits let the others run, is a
// deadlock found, does the kernel know who calls?

#include "core/sim/sim_threads.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

namespace skysock {
namespace {

using testing::ElementsAre;

constexpr std::size_t kThreads = 3;
constexpr std::uint64_t kToTheEnd = SimThreads::kToTheEnd;

class Threads : public testing::Test {
 protected:
  /// Work of `count` steps with a yield point behind each.
  std::function<void()> steps(std::string name, int count) {
    return [this, name, count] {
      for (int step = 0; step < count; ++step) {
        did.push_back(name + std::to_string(step));
        sys.yield_point(YieldPoint::send_looks, 7);
      }
      did.push_back(name + " ends");
    };
  }
  /// Waits until `open`.
  std::function<void()> waits(std::string name, const bool& open) {
    return [this, name, &open] {
      while (!open) sys.yield_thread();
      did.push_back(name + " is through");
    };
  }

  SimKernel sys;
  std::vector<std::string> did;
  std::vector<std::pair<YieldPoint, std::int32_t>> arrived;
  std::vector<std::size_t> left;
  SimThreads threads{sys, kThreads,
                     [this](YieldPoint point, std::int32_t id) { arrived.emplace_back(point, id); },
                     [this](YieldPoint, std::int32_t) { left.push_back(threads.current()); }};
};

TEST_F(Threads, AThreadStopsBehindThePointsThatItPasses) {
  threads.begin(0, steps("a", 3), 0);
  EXPECT_THAT(did, ElementsAre("a0"));
  EXPECT_TRUE(threads.busy(0));
  threads.resume(0, 1);
  EXPECT_THAT(did, ElementsAre("a0", "a1", "a2"));
  threads.resume(0, 0);
  EXPECT_THAT(did, ElementsAre("a0", "a1", "a2", "a ends"));
  EXPECT_FALSE(threads.busy());
}

TEST_F(Threads, TheCallerDecidesTheInterleaving) {
  threads.begin(0, steps("a", 2), 0);
  threads.begin(1, steps("b", 2), 1);
  threads.resume(0, kToTheEnd);
  did.push_back("caller");
  threads.finish();
  EXPECT_THAT(did, ElementsAre("a0", "b0", "b1", "a1", "a ends", "caller", "b ends"));
}

TEST_F(Threads, AThreadThatIsNotBusyCannotGoOn) {
  threads.resume(2, 5);
  threads.begin(2, steps("a", 0), 0);
  threads.resume(2, 5);
  EXPECT_THAT(did, ElementsAre("a ends"));
}

TEST_F(Threads, TheHooksSeeEachPointOfEachThreadBeforeAndAfterAStop) {
  threads.begin(1, steps("a", 1), 0);
  EXPECT_THAT(arrived, ElementsAre(std::pair(YieldPoint::send_looks, 7)));
  EXPECT_TRUE(left.empty());
  sys.yield_point(YieldPoint::ring_reserved);  // Of the caller, which never stops.
  EXPECT_THAT(left, ElementsAre(SimThreads::kCaller));
  threads.finish();
  EXPECT_THAT(left, ElementsAre(SimThreads::kCaller, 1U));
  EXPECT_EQ(arrived.size(), 2U);
}

TEST_F(Threads, TheKernelKnowsWhoCalls) {
  const void* caller = sys.this_thread();
  std::array<const void*, 2> seen{};
  for (const std::size_t thread : {0U, 1U}) {
    threads.begin(thread, [&, thread] { seen[thread] = sys.this_thread(); }, kToTheEnd);
  }
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_NE(seen[0], caller);
  EXPECT_NE(seen[1], caller);
  EXPECT_EQ(sys.this_thread(), caller);
}

TEST_F(Threads, WhoWaitsLetsTheOthersRun) {
  bool open = false;
  threads.begin(
      0,
      [&] {
        steps("a", 2)();
        open = true;
      },
      0);
  threads.begin(1, waits("b", open), 0);
  EXPECT_THAT(did, ElementsAre("a0", "a1", "a ends", "b is through"));
  EXPECT_FALSE(threads.busy());
}

TEST_F(Threads, TheCallerMayWaitToo) {
  bool open = false;
  threads.begin(
      0,
      [&] {
        steps("a", 1)();
        open = true;
      },
      0);
  waits("caller", open)();
  EXPECT_THAT(did, ElementsAre("a0", "a ends", "caller is through"));
}

TEST_F(Threads, AWaitThatEndsByItselfIsNoDeadlock) {
  threads.begin(
      0,
      [&] {
        sys.yield_thread();
        did.push_back("on");
      },
      0);
  EXPECT_THAT(did, ElementsAre("on"));
}

TEST_F(Threads, AStackIsUsedAgainAfterItsWork) {
  const auto deep = [](auto&& self, int depth) -> int {
    const std::array<volatile int, 64> frame{depth};
    return depth == 0 ? frame[0] : self(self, depth - 1) + frame[0];
  };
  int sum = 0;
  for (std::size_t turn = 0; turn < 1'000; ++turn) {
    threads.begin(
        turn % kThreads,
        [&] {
          sum = deep(deep, 50);
          sys.yield_point(YieldPoint::send_looks);
          sum += deep(deep, 20);
        },
        0);
    threads.resume(turn % kThreads, 0);
    ASSERT_EQ(sum, 50 * 51 / 2 + 20 * 21 / 2);
  }
}

using ThreadsDeathTest = Threads;

TEST_F(ThreadsDeathTest, ThatNobodyCanGoOnIsADeadlock) {
  const bool open = false;
  EXPECT_DEATH(
      {
        threads.begin(0, steps("a", 1), 0);
        threads.begin(1, waits("b", open), 0);
      },
      "check failed: kNoDeadlock");
  EXPECT_DEATH(waits("caller", open)(), "check failed: kNoDeadlock");
}

TEST_F(ThreadsDeathTest, ABusyThreadTakesNoOtherWork) {
  threads.begin(0, steps("a", 1), 0);
  EXPECT_DEATH(threads.begin(0, steps("b", 1), 0), "check failed");
  threads.finish();
}

}  // namespace
}  // namespace skysock
