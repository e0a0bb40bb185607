// Does the open loop keep its timetable, whatever the server does, and count every message once?

#include "bench/load/open_loop_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "bench/load/tiny_echo.hpp"

namespace skysock::load {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(OpenLoopLoad, ARunHasAsManyMessagesAsItsTimetable) {
  const TinyEcho server;
  auto load = OpenLoopLoad::open({.port = server.port(), .connections = 7, .per_second = 2'000});
  ASSERT_TRUE(load) << load.error();
  EXPECT_EQ(load->latency().count(), 0U);
  std::uint64_t total = 0;
  for (const auto& [per_second, duration, messages] :
       {std::tuple{2'000.0, milliseconds(100), 200U}, std::tuple{3.0, milliseconds(1), 1U},
        std::tuple{999.5, milliseconds(20), 20U}, std::tuple{1e6, milliseconds(5), 5'000U},
        std::tuple{1e3, milliseconds(0), 0U}, std::tuple{1e3, milliseconds(-5), 0U}}) {
    ASSERT_TRUE(load->set_rate(per_second));
    const auto work = load->run_for(duration);
    ASSERT_TRUE(work) << work.error();
    EXPECT_EQ(work->operations, messages);
    total += messages;
    EXPECT_EQ(load->latency().count(), total);
    EXPECT_EQ(load->lateness().count(), total);
    // The last one is not sent before it is due.
    EXPECT_GE(work->wall.count(), (messages - 1.0) / per_second * 1e9);
  }
  load->clear();
  EXPECT_EQ(load->latency().count() + load->lateness().count(), 0U);
}

TEST(OpenLoopLoad, AMessageIsNotAnsweredBeforeItWasSent) {
  const TinyEcho server;
  auto load = OpenLoopLoad::open({.port = server.port(), .connections = 3, .per_second = 1'000});
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(milliseconds(200));
  ASSERT_TRUE(work) << work.error();
  for (const double share : {0.0, 0.1, 0.5, 0.9, 0.99, 1.0}) {
    EXPECT_GE(load->latency().percentile(share), load->lateness().percentile(share)) << share;
  }
  // A sleep to the next millisecond of the kernel's clock would make nearly all late. On a machine
  // this busy the others may be.
  EXPECT_LT(load->lateness().percentile(0.1), microseconds(100));
  // The intended times of 200 ms are 1 ms apart: a wrong one would be far off.
  EXPECT_LT(load->latency().percentile(0), milliseconds(50));
}

TEST(OpenLoopLoad, AServerThatIsTooSlowGetsEveryMessageAndTheWaitIsCounted) {
  const TinyEcho server({.spin = 500'000});  // At least 0.5 ms per read on any machine of today.
  auto load = OpenLoopLoad::open({.port = server.port(), .connections = 50, .per_second = 10'000});
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(milliseconds(20));
  ASSERT_TRUE(work) << work.error();
  EXPECT_EQ(work->operations, 200U);
  EXPECT_EQ(load->latency().count(), 200U);
  // One read serves one connection, so the last of 50 waits for 25 ms, due after 5 ms at most.
  EXPECT_GE(load->latency().max(), milliseconds(15));
}

TEST(OpenLoopLoad, MessagesThatTheKernelDoesNotTakeFollowInOrder) {
  const TinyEcho server;
  auto load = OpenLoopLoad::open(
      {.port = server.port(), .connections = 2, .bytes = 1'000'003, .per_second = 2'000});
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(milliseconds(10));
  ASSERT_TRUE(work) << work.error();
  EXPECT_EQ(work->operations, 20U);
}

TEST(OpenLoopLoad, WhatIsOutOfRangeIsNamed) {
  const TinyEcho server;
  for (const double per_second : {0.0, -1.0, 1e8, std::numeric_limits<double>::quiet_NaN()}) {
    const auto load = OpenLoopLoad::open({.port = server.port(), .per_second = per_second});
    ASSERT_FALSE(load);
    EXPECT_THAT(load.error(), HasSubstr("messages per second: expected more than 0"));
  }
  const auto load = OpenLoopLoad::open({.port = server.port(), .connections = 0});
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr("0 connections"));
}

}  // namespace
}  // namespace skysock::load
