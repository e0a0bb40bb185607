// A server that stops for 200 ms in the middle of a run: does the open loop show what its users
// would have met? A closed loop does not, which is why there is an open one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "bench/load/echo_load.hpp"
#include "bench/load/open_loop_load.hpp"
#include "bench/server_process.hpp"
#include "bench/settings.hpp"

namespace skysock::load {
namespace {

using bench::ServerProcess;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

Outcome<ServerProcess> start_server() {
  auto server = ServerProcess::start({bench::own_folder() + "/tiny_echo_server"}, std::nullopt);
  if (server) server->allow_end_by_signal();
  return server;
}

struct Stall {
  nanoseconds inner{};  ///< The server surely stood still for this long,
  nanoseconds outer{};  ///< and for no longer than this.
};

/// Stops the server for 200 ms, 900 ms from now.
std::future<Outcome<Stall>> stall_soon(ServerProcess& server) {
  return std::async(std::launch::async, [&server]() -> Outcome<Stall> {
    std::this_thread::sleep_for(milliseconds(900));
    const auto asked = steady_clock::now();
    if (auto paused = server.pause(); !paused) return std::unexpected(paused.error());
    const auto stopped = steady_clock::now();
    std::this_thread::sleep_for(milliseconds(200));
    const auto goes_on = steady_clock::now();
    if (auto resumed = server.resume(); !resumed) return std::unexpected(resumed.error());
    return Stall{.inner = goes_on - stopped, .outer = steady_clock::now() - asked};
  });
}

TEST(Stall, TheOpenLoopShowsIt) {
  auto server = start_server();
  ASSERT_TRUE(server) << server.error();
  auto load = OpenLoopLoad::open({.port = server->port(), .connections = 16, .per_second = 2'000});
  ASSERT_TRUE(load) << load.error();
  auto stalling = stall_soon(*server);
  const auto work = load->run_for(milliseconds(2'000));
  const auto stall = stalling.get();
  ASSERT_TRUE(work) << work.error();
  ASSERT_TRUE(stall) << stall.error();
  EXPECT_EQ(work->operations, 4'000U);
  // 400 messages were due while it stood still. The four longest waits of 4,000 are above p99.9:
  // those that were due in the first 2 ms of the stall.
  const auto& latency = load->latency();
  EXPECT_GE(latency.percentile(0.999), stall->inner - milliseconds(5));
  // A busy machine may add to it: as much again is allowed.
  EXPECT_LE(latency.percentile(0.999), 2 * stall->outer);
  // It went on sending meanwhile.
  EXPECT_LT(load->lateness().percentile(0.99), stall->inner / 2);
  // Waits of 0 to 200 ms are evenly spread over the last tenth.
  EXPECT_GE(latency.percentile(0.95), stall->inner / 4);
  EXPECT_LT(latency.percentile(0.5), stall->inner / 4);
}

TEST(Stall, AClosedLoopHidesIt) {
  auto server = start_server();
  ASSERT_TRUE(server) << server.error();
  auto load = EchoLoad::open({.port = server->port(), .connections = 1});
  ASSERT_TRUE(load) << load.error();
  LatencyHistogram latencies;
  load->record_into(&latencies);
  auto stalling = stall_soon(*server);
  const auto work = load->run_for(milliseconds(2'000));
  const auto stall = stalling.get();
  ASSERT_TRUE(work) << work.error();
  ASSERT_TRUE(stall) << stall.error();
  // One message in all waited for the server; the others were not sent meanwhile.
  EXPECT_GE(latencies.max(), stall->inner);
  if (work->operations < 2'000) GTEST_SKIP() << "too few messages on a machine this busy";
  EXPECT_LT(latencies.percentile(0.999), stall->inner / 2);
}

TEST(Stall, AServerThatStandsStillMeetsTheDeadline) {
  auto server = start_server();
  ASSERT_TRUE(server) << server.error();
  auto open = OpenLoopLoad::open({.port = server->port(),
                                  .connections = 2,
                                  .per_second = 1'000,
                                  .deadline = milliseconds(500)});
  ASSERT_TRUE(open) << open.error();
  auto closed = EchoLoad::open(
      {.port = server->port(), .connections = 2, .depth = 4, .deadline = milliseconds(500)});
  ASSERT_TRUE(closed) << closed.error();
  ASSERT_TRUE(server->pause());
  const auto work = open->run_for(milliseconds(20));
  ASSERT_FALSE(work);
  EXPECT_THAT(work.error(), HasSubstr("20 of 20 messages were begun, 20 of them not answered"));
  const auto time = closed->run(20);
  ASSERT_FALSE(time);
  EXPECT_THAT(time.error(), HasSubstr("2 of 2 connections still wait"));
}

}  // namespace
}  // namespace skysock::load
