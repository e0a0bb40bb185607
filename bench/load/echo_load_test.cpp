// Does the ping-pong load pass exactly what it was told, and does it see every way a server can
// cheat?

#include "bench/load/echo_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "bench/load/tiny_echo.hpp"

namespace skysock::load {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

EchoOptions options_for(const TinyEcho& server) {
  EchoOptions options;
  options.port = server.port();
  options.connections = 5;
  return options;
}

std::string error_with(Flaw flaw, EchoOptions options = {}) {
  const TinyEcho server({.flaw = flaw});
  options.port = server.port();
  options.connections = 2;
  auto load = EchoLoad::open(options);
  if (!load) return load.error();
  auto time = load->run(20);
  return time ? "no error" : time.error();
}

TEST(EchoLoad, PassesFiveChunksWithARest) {
  const TinyEcho server;
  auto load = EchoLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  const auto times = run_chunks(*load, 1'003, 5);
  ASSERT_TRUE(times) << times.error();
  ASSERT_EQ(times->size(), 5U);
  for (const auto time : *times) EXPECT_GT(time.count(), 0);
}

TEST(EchoLoad, FewerOperationsThanConnectionsAreDone) {
  const TinyEcho server;
  auto load = EchoLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  EXPECT_TRUE(load->run(3));
  EXPECT_TRUE(load->run(0));
  EXPECT_TRUE(load->run(7));
}

TEST(EchoLoad, ATimedRunEndsWithNothingInFlight) {
  const TinyEcho server;
  auto load = EchoLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    const auto work = load->run_for(milliseconds(20));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->operations, 5U);
    EXPECT_GE(work->wall, milliseconds(20));
    // A message still in flight would come back while nothing may.
    EXPECT_TRUE(load->hold_for(milliseconds(5)));
    EXPECT_TRUE(load->run(7));
  }
}

TEST(EchoLoad, ATimedRunOfNoTimePassesOneMessageEach) {
  const TinyEcho server;
  auto load = EchoLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(milliseconds(0));
  ASSERT_TRUE(work) << work.error();
  EXPECT_EQ(work->operations, 5U);
}

TEST(EchoLoad, AWrongAnswerEndsATimedRun) {
  const TinyEcho server({.flaw = Flaw::flip_byte});
  auto load = EchoLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(milliseconds(10'000));
  ASSERT_FALSE(work);
  EXPECT_THAT(work.error(), HasSubstr("message 2, byte 63: expected 0x"));
}

TEST(EchoLoad, ASurplusByteIsSeenWhileHolding) {
  const TinyEcho server({.flaw = Flaw::extra_byte, .flaw_at = 1});
  EchoOptions options = options_for(server);
  options.connections = 1;
  auto load = EchoLoad::open(options);
  // The byte comes with the answer or after it: then it is seen by what follows.
  const auto held = load ? load->hold_for(milliseconds(10'000)) : std::unexpected(load.error());
  ASSERT_FALSE(held);
  EXPECT_THAT(held.error(), HasSubstr("bytes came back"));
}

TEST(EchoLoad, ACloseIsSeenWhileHolding) {
  auto server = std::make_unique<TinyEcho>();
  auto load = EchoLoad::open(options_for(*server));
  ASSERT_TRUE(load) << load.error();
  server.reset();
  const auto held = load->hold_for(milliseconds(10'000));
  ASSERT_FALSE(held);
  EXPECT_THAT(held.error(), HasSubstr("the server closed"));
}

TEST(EchoLoad, MessagesLargerThanAnySocketBufferPass) {
  const TinyEcho server;
  EchoOptions options = options_for(server);
  options.connections = 2;
  options.bytes = 16'000'003;
  auto load = EchoLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  EXPECT_TRUE(load->run(2));
}

TEST(EchoLoad, MoreConnectionsThanOneGroupPass) {
  const TinyEcho server;
  EchoOptions options = options_for(server);
  options.connections = 100;
  auto load = EchoLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  EXPECT_TRUE(load->run(250));
}

TEST(EchoLoad, AChangedByteIsNamed) {
  EXPECT_THAT(error_with(Flaw::flip_byte), HasSubstr("message 2, byte 63: expected 0x"));
}

TEST(EchoLoad, ASurplusByteIsSeen) {
  EXPECT_THAT(error_with(Flaw::extra_byte), HasSubstr("65 bytes came back of 64 sent"));
}

TEST(EchoLoad, AnEarlyCloseIsSeen) {
  EXPECT_THAT(error_with(Flaw::close_early),
              HasSubstr("message 2: the server closed after 0 of 64 bytes"));
}

TEST(EchoLoad, ASilentServerMeetsTheDeadline) {
  EchoOptions options;
  options.deadline = milliseconds(50);
  EXPECT_THAT(error_with(Flaw::silent, options), HasSubstr("2 of 2 connections still wait"));
}

TEST(EchoLoad, ARefusedConnectionNamesTheTarget) {
  EchoOptions options;
  {
    const TinyEcho gone;
    options.port = gone.port();
  }
  const auto load = EchoLoad::open(options);
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr(std::to_string(options.port)));
  EXPECT_THAT(load.error(), HasSubstr("refused"));
}

TEST(EchoLoad, AnUnknownHostIsNamed) {
  EchoOptions options;
  options.host = "no such host";
  const auto load = EchoLoad::open(options);
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr("no such host"));
}

TEST(EchoLoad, NoConnectionsOrNoBytesIsAnError) {
  EchoOptions options;
  options.connections = 0;
  EXPECT_FALSE(EchoLoad::open(options));
  options = {};
  options.bytes = 0;
  EXPECT_FALSE(EchoLoad::open(options));
}

}  // namespace
}  // namespace skysock::load
