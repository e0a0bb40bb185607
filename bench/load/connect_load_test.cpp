// Does the connect load have exactly the connections made that it ordered, and see every way a
// server can cheat?

#include "bench/load/connect_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/load/echo_load.hpp"
#include "bench/load/tiny_echo.hpp"
#include "bench/load/tiny_modes.hpp"

namespace skysock::load {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

/// Eight connections are made by `open`: the ninth is the first of the run's order of 20.
std::string error_with(TinyModeOptions flaw, milliseconds deadline = milliseconds(10'000)) {
  const TinyModeServer server(TinyMode::connect, flaw);
  auto load = ConnectLoad::open({.port = server.port(), .in_flight = 4, .deadline = deadline});
  if (!load) return load.error();
  const auto time = load->run(20);
  return time ? "no error" : time.error();
}

TEST(ConnectLoad, HasEveryConnectionMadeInChunks) {
  const TinyModeServer server(TinyMode::connect);
  auto load = ConnectLoad::open({.port = server.port(), .order = 30, .in_flight = 4});
  ASSERT_TRUE(load) << load.error();
  const auto times = run_chunks(*load, 503, 5);
  ASSERT_TRUE(times) << times.error();
  EXPECT_EQ(times->size(), 5U);
  EXPECT_TRUE(load->run(1));
  EXPECT_TRUE(load->run(0));
}

TEST(ConnectLoad, TimedRunsCarryOutWholeOrders) {
  const TinyModeServer server(TinyMode::connect);
  auto load = ConnectLoad::open({.port = server.port(), .order = 30});
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    const auto work = load->run_for(milliseconds(20));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->operations, 30U);
    EXPECT_EQ(work->operations % 30, 0U);
    EXPECT_GE(work->wall, milliseconds(20));
    EXPECT_TRUE(load->run(5));
  }
}

TEST(ConnectLoad, AWrongOrSurplusOrMissingByteIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::flip_byte, .flaw_at = 11}),
              HasSubstr("connection 3 of an order of 20, byte 0: expected 0x63, received 0x73"));
  EXPECT_THAT(error_with({.flaw = ModeFlaw::twice, .flaw_at = 11}),
              HasSubstr("connection 3 of an order of 20: expected the byte 'c', received 2 bytes"));
  EXPECT_THAT(error_with({.flaw = ModeFlaw::cut, .flaw_at = 11}),
              HasSubstr("connection 3 of an order of 20: expected the byte 'c', received the end"));
}

TEST(ConnectLoad, AConnectionThatDoesNotEndMeetsTheDeadline) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::no_end, .flaw_at = 28}, milliseconds(200)),
              HasSubstr("after 200 ms 20 of an order of 20 connections were accepted, 20 answered, "
                        "19 closed by the server; it said done"));
}

TEST(ConnectLoad, ASilentServerMeetsTheDeadline) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::silent}, milliseconds(100)),
              HasSubstr("after 100 ms 0 of an order of 1 connections were accepted, 0 answered, 0 "
                        "closed by the server; it did not say done"));
}

TEST(ConnectLoad, AConnectionLessOrMoreIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::one_less}),
              HasSubstr("received 'done 1' after 0 connections"));
  EXPECT_THAT(error_with({.flaw = ModeFlaw::one_more}),
              HasSubstr("connection 2 of an order of 1: one connection too many"));
}

TEST(ConnectLoad, MoreConnectionsAtATimeThanOrderedAreSeen) {
  EXPECT_THAT(
      error_with({.flaw = ModeFlaw::all_at_once}),
      HasSubstr("connection 5 of an order of 20: 5 are open at a time, expected at most 4"));
}

TEST(ConnectLoad, AnOrderThatTheServerGivesUpIsTheError) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::fail}),
              HasSubstr("expected 'done 1', received 'failed: told to'"));
}

TEST(ConnectLoad, WhatFollowsTheAnswerIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::extra_byte}),
              HasSubstr("expected nothing, received '!'"));
}

TEST(ConnectLoad, TheEndOfTheControlConnectionIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::close_early}),
              HasSubstr("expected 'done 1', received the end"));
}

TEST(ConnectLoad, AnEchoServerIsNoConnectServer) {
  const TinyEcho server;
  const auto load = ConnectLoad::open({.port = server.port()});
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr("expected 'done 1', received '127.0.0."));
}

TEST(ConnectLoad, ARefusedConnectionNamesTheTarget) {
  std::uint16_t port = 0;
  {
    const TinyModeServer gone(TinyMode::connect);
    port = gone.port();
  }
  const auto load = ConnectLoad::open({.port = port});
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr(std::to_string(port)));
  EXPECT_THAT(load.error(), HasSubstr("refused"));
}

TEST(ConnectLoad, OrdersOutOfRangeAreNamed) {
  for (const auto& [order, in_flight] :
       {std::pair<std::uint64_t, std::uint64_t>{0, 16}, {256, 0}, {256, 513}}) {
    const auto load = ConnectLoad::open({.port = 1, .order = order, .in_flight = in_flight});
    ASSERT_FALSE(load);
    EXPECT_THAT(load.error(), HasSubstr("orders of " + std::to_string(order) + " and " +
                                        std::to_string(in_flight) + " in flight"));
  }
}

}  // namespace
}  // namespace skysock::load
