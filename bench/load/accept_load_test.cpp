// Does the short-connection load make exactly the connections it was told, and see a server that
// cheats?

#include "bench/load/accept_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/load/echo_load.hpp"
#include "bench/load/tiny_echo.hpp"

namespace skysock::load {
namespace {

using testing::HasSubstr;

TEST(AcceptLoad, ServesEveryConnectionInChunks) {
  const TinyEcho server;
  auto load = AcceptLoad::open({.port = server.port(), .in_flight = 4});
  ASSERT_TRUE(load) << load.error();
  const auto times = run_chunks(*load, 203, 5);
  ASSERT_TRUE(times) << times.error();
  EXPECT_EQ(times->size(), 5U);
}

TEST(AcceptLoad, FewerOperationsThanInFlightAreDone) {
  const TinyEcho server;
  auto load = AcceptLoad::open({.port = server.port(), .in_flight = 16});
  ASSERT_TRUE(load) << load.error();
  EXPECT_TRUE(load->run(3));
}

TEST(AcceptLoad, TimedRunsServeEveryConnectionTheyBegan) {
  const TinyEcho server;
  auto load = AcceptLoad::open({.port = server.port(), .in_flight = 4});
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    const auto work = load->run_for(std::chrono::milliseconds(20));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->operations, 4U);
    EXPECT_TRUE(load->run(5));
  }
}

TEST(AcceptLoad, ATimedRunAgainstASilentServerMeetsTheDeadline) {
  const TinyEcho server({.flaw = Flaw::silent});
  auto load = AcceptLoad::open(
      {.port = server.port(), .in_flight = 2, .deadline = std::chrono::milliseconds(50)});
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(std::chrono::milliseconds(1));
  ASSERT_FALSE(work);
  EXPECT_THAT(work.error(), HasSubstr("0 of 2 connections were served"));
}

TEST(AcceptLoad, ASilentServerMeetsTheDeadline) {
  const TinyEcho server({.flaw = Flaw::silent});
  auto load = AcceptLoad::open(
      {.port = server.port(), .in_flight = 2, .deadline = std::chrono::milliseconds(50)});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(5);
  ASSERT_FALSE(time);
  EXPECT_THAT(time.error(), HasSubstr("0 of 5 connections were served within 50 ms"));
}

TEST(AcceptLoad, AWrongByteAndASurplusByteAreSeen) {
  for (const auto& [flaw, text] : {std::pair{Flaw::flip_byte, "expected 0x"},
                                   std::pair{Flaw::extra_byte, "expected 1 byte back, received 2"},
                                   std::pair{Flaw::close_early, "received end of stream"}}) {
    const TinyEcho server({.flaw = flaw, .flaw_at = 1});
    auto load = AcceptLoad::open({.port = server.port()});
    ASSERT_TRUE(load) << load.error();
    const auto time = load->run(5);
    ASSERT_FALSE(time);
    EXPECT_THAT(time.error(), HasSubstr(text));
  }
}

TEST(AcceptLoad, ARefusedConnectionNamesTheTarget) {
  std::uint16_t port = 0;
  {
    const TinyEcho gone;
    port = gone.port();
  }
  auto load = AcceptLoad::open({.port = port});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(1);
  ASSERT_FALSE(time);
  EXPECT_THAT(time.error(), HasSubstr(std::to_string(port)));
}

}  // namespace
}  // namespace skysock::load
