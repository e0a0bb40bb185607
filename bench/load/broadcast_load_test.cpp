// Does the broadcast load publish exactly what it was told, check every copy, time its accept
// probes, and see every way a server can cheat?

#include "bench/load/broadcast_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "bench/load/echo_load.hpp"
#include "bench/load/tiny_echo.hpp"
#include "bench/load/tiny_modes.hpp"

namespace skysock::load {
namespace {

using std::chrono::milliseconds;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

BroadcastOptions options_for(const TinyModeServer& server) {
  BroadcastOptions options;
  options.port = server.port();
  options.subscribers = 3;
  return options;
}

/// The first message has the copies 1 to 3, the second 4 to 6.
std::string error_with(TinyModeOptions flaw, milliseconds deadline = milliseconds(10'000)) {
  const TinyModeServer server(TinyMode::broadcast, flaw);
  BroadcastOptions options = options_for(server);
  options.deadline = deadline;
  auto load = BroadcastLoad::open(options);
  if (!load) return load.error();
  const auto work = load->run_for(milliseconds(50));
  return work ? "no error" : work.error();
}

TEST(BroadcastLoad, PublishesFiveChunksWithARest) {
  const TinyModeServer server(TinyMode::broadcast);
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{777}, kBroadcastBytesMax}) {
    BroadcastOptions options = options_for(server);
    options.bytes = bytes;
    auto load = BroadcastLoad::open(options);
    ASSERT_TRUE(load) << load.error();
    LatencyHistogram latencies;
    load->record_into(&latencies);
    const auto times = run_chunks(*load, 101, 5);
    ASSERT_TRUE(times) << times.error();
    ASSERT_EQ(times->size(), 5U);
    // Twenty copies are seven messages.
    EXPECT_EQ(latencies.count(), 35U);
    EXPECT_LE(latencies.max(), *std::ranges::max_element(*times));
  }
}

TEST(BroadcastLoad, TimedRunsEndWithNothingUnderWay) {
  const TinyModeServer server(TinyMode::broadcast);
  auto load = BroadcastLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    LatencyHistogram latencies;
    load->record_into(&latencies);
    const auto work = load->run_for(milliseconds(60));
    load->record_into(nullptr);
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->wall, milliseconds(60));
    EXPECT_GT(work->operations, 0U);
    EXPECT_EQ(work->operations, 3 * latencies.count());
    EXPECT_GE(load->probe_latency().count(), 1U);
    EXPECT_LE(load->probe_latency().count(), work->wall / milliseconds(5) + 1U);
    EXPECT_GT(load->probe_latency().max().count(), 0);
    EXPECT_TRUE(load->run(4));
    EXPECT_TRUE(load->run(0));
  }
}

TEST(BroadcastLoad, ManySubscribersHaveEveryCopy) {
  const TinyModeServer server(TinyMode::broadcast);
  BroadcastOptions options = options_for(server);
  options.subscribers = 200;
  auto load = BroadcastLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  LatencyHistogram latencies;
  load->record_into(&latencies);
  const auto time = load->run(1'000);
  ASSERT_TRUE(time) << time.error();
  EXPECT_EQ(latencies.count(), 5U);
}

TEST(BroadcastLoad, WithoutAPeriodThereAreNoProbes) {
  const TinyModeServer server(TinyMode::broadcast, {.flaw = ModeFlaw::drop, .flaw_at = 0});
  BroadcastOptions options = options_for(server);
  options.probe_period = milliseconds(0);
  auto load = BroadcastLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(milliseconds(30));
  ASSERT_TRUE(work) << work.error();
  EXPECT_EQ(load->probe_latency().count(), 0U);
}

TEST(BroadcastLoad, AChangedByteIsNamed) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::flip_byte, .flaw_at = 5}),
              HasSubstr("subscriber 1, message 2, byte 63: expected 0x"));
}

TEST(BroadcastLoad, AMissingCopyIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::drop, .flaw_at = 5}, milliseconds(200)),
              HasSubstr("1 of 3 subscribers wait for message 2, the first one: subscriber 1 (0 of "
                        "64 bytes)"));
}

TEST(BroadcastLoad, AMissingByteIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::cut, .flaw_at = 6}, milliseconds(200)),
              HasSubstr("the first one: subscriber 2 (63 of 64 bytes)"));
}

TEST(BroadcastLoad, ADoubledCopyIsSeen) {
  // The second copy comes with the first one, or is taken for the next message.
  EXPECT_THAT(error_with({.flaw = ModeFlaw::twice, .flaw_at = 5}),
              AnyOf(HasSubstr("subscriber 1, message 2: 128 bytes came of 64 published"),
                    HasSubstr("subscriber 1, message 3, byte 0: expected 0x")));
}

TEST(BroadcastLoad, ACopyToThePublisherIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::misdeliver, .flaw_at = 5}),
              HasSubstr("publisher: expected nothing more, received 64 bytes"));
}

TEST(BroadcastLoad, AnEarlyCloseIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::close_early, .flaw_at = 5}),
              HasSubstr("subscriber 1, message 2: the server closed after 0 of 64 bytes"));
}

TEST(BroadcastLoad, ASilentServerMeetsTheDeadline) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::silent}, milliseconds(100)),
              HasSubstr("after 100 ms 3 connections wait for their first byte, the first one: "
                        "subscriber 0"));
}

TEST(BroadcastLoad, ProbesThatAreNotAnsweredAreSeenAndDelayNoOthers) {
  const std::string error = error_with({.flaw = ModeFlaw::drop, .flaw_at = 0}, milliseconds(200));
  EXPECT_THAT(error, HasSubstr("wait for their first byte, the first one: accept probe"));
  // Several were due within the run.
  EXPECT_THAT(error, Not(HasSubstr(" 1 connections")));
}

TEST(BroadcastLoad, AProbeWithAWrongOrSurplusByteOrAnEarlyCloseIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::flip_byte, .flaw_at = 0}),
              HasSubstr("accept probe, first byte 0: expected 0x61, received 0x62"));
  EXPECT_THAT(error_with({.flaw = ModeFlaw::extra_byte, .flaw_at = 0}),
              HasSubstr("accept probe: expected 1 byte back, received 2"));
  EXPECT_THAT(error_with({.flaw = ModeFlaw::close_early, .flaw_at = 0}),
              HasSubstr("accept probe: the server closed before the first byte"));
}

TEST(BroadcastLoad, AnEchoServerIsNoBroadcastServer) {
  const TinyEcho server;
  const auto load = BroadcastLoad::open({.port = server.port(), .subscribers = 2});
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr("publisher: expected nothing more"));
}

TEST(BroadcastLoad, ARefusedConnectionNamesTheTarget) {
  BroadcastOptions options;
  {
    const TinyModeServer gone(TinyMode::broadcast);
    options.port = gone.port();
  }
  const auto load = BroadcastLoad::open(options);
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr(std::to_string(options.port)));
  EXPECT_THAT(load.error(), HasSubstr("refused"));
}

TEST(BroadcastLoad, SizesOutOfRangeAreNamed) {
  for (const auto& [subscribers, bytes] : {std::pair<std::size_t, std::size_t>{0, 64},
                                           {kSubscribersMax + 1, 64},
                                           {1, 0},
                                           {1, kBroadcastBytesMax + 1}}) {
    const auto load = BroadcastLoad::open({.port = 1, .subscribers = subscribers, .bytes = bytes});
    ASSERT_FALSE(load);
    EXPECT_THAT(load.error(), HasSubstr(std::to_string(subscribers) + " subscribers, " +
                                        std::to_string(bytes) + " bytes"));
  }
}

}  // namespace
}  // namespace skysock::load
