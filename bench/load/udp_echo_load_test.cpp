// Does the UDP load pass exactly what it was told, count what is lost, late or doubled, and see
// every way a server can cheat?

#include "bench/load/udp_echo_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/load/echo_load.hpp"
#include "bench/load/tiny_modes.hpp"

namespace skysock::load {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

UdpEchoOptions options_for(const TinyModeServer& server) {
  UdpEchoOptions options;
  options.port = server.port();
  options.sockets = 5;
  return options;
}

std::string error_with(TinyModeOptions flaw) {
  const TinyModeServer server(TinyMode::udp_echo, flaw);
  UdpEchoOptions options = options_for(server);
  options.sockets = 2;
  auto load = UdpEchoLoad::open(options);
  if (!load) return load.error();
  const auto time = load->run(2'000);
  return time ? "no error" : time.error();
}

TEST(UdpEchoLoad, PassesFiveChunksWithARest) {
  const TinyModeServer server(TinyMode::udp_echo);
  for (const std::size_t bytes : {kDatagramBytesMin, std::size_t{64}, kDatagramBytesMax}) {
    UdpEchoOptions options = options_for(server);
    options.bytes = bytes;
    auto load = UdpEchoLoad::open(options);
    ASSERT_TRUE(load) << load.error();
    LatencyHistogram latencies;
    load->record_into(&latencies);
    const auto times = run_chunks(*load, 1'003, 5);
    ASSERT_TRUE(times) << times.error();
    EXPECT_EQ(times->size(), 5U);
    EXPECT_EQ(latencies.count(), 1'003U);
    EXPECT_GT(latencies.max().count(), 0);
    load->record_into(nullptr);
    EXPECT_TRUE(load->run(7));
    EXPECT_EQ(latencies.count(), 1'003U);
    EXPECT_EQ(load->troubles().lost, 0U);
  }
}

TEST(UdpEchoLoad, TimedRunsEndWithNothingInFlight) {
  const TinyModeServer server(TinyMode::udp_echo);
  auto load = UdpEchoLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    LatencyHistogram latencies;
    load->record_into(&latencies);
    const auto work = load->run_for(milliseconds(20));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->operations, 5U);
    EXPECT_EQ(work->operations, latencies.count());
    EXPECT_GE(work->wall, milliseconds(20));
    EXPECT_TRUE(load->run(3));
    EXPECT_TRUE(load->run(0));
    EXPECT_EQ(load->troubles().duplicates, 0U);
  }
}

/// What became of three runs of 1,000 datagrams: the answer that a flaw delays or doubles may come
/// when its socket has nothing more to do in the first of them.
UdpTroubles troubles_with(ModeFlaw flaw) {
  const TinyModeServer server(TinyMode::udp_echo, {.flaw = flaw, .flaw_at = 300});
  UdpEchoOptions options = options_for(server);
  options.answer_timeout = milliseconds(500);
  auto load = UdpEchoLoad::open(options);
  UdpTroubles all;
  for (int run = 0; run < 3; ++run) {
    LatencyHistogram latencies;
    if (load) load->record_into(&latencies);
    const auto time = load ? load->run(1'000) : std::unexpected(load.error());
    if (!time) {
      ADD_FAILURE() << time.error();
      break;
    }
    EXPECT_EQ(latencies.count(), 1'000U);
    all.lost += load->troubles().lost;
    all.late += load->troubles().late;
    all.duplicates += load->troubles().duplicates;
  }
  return all;
}

TEST(UdpEchoLoad, ALostDatagramIsCountedAndReplaced) {
  const UdpTroubles troubles = troubles_with(ModeFlaw::drop);
  EXPECT_EQ(troubles.lost, 1U);
  EXPECT_EQ(troubles.late, 0U);
  EXPECT_EQ(troubles.duplicates, 0U);
}

TEST(UdpEchoLoad, ALateAnswerIsToldFromADuplicate) {
  const UdpTroubles troubles = troubles_with(ModeFlaw::late);
  EXPECT_EQ(troubles.lost, 1U);
  EXPECT_EQ(troubles.late, 1U);
  EXPECT_EQ(troubles.duplicates, 0U);
}

TEST(UdpEchoLoad, ADuplicateIsCounted) {
  const UdpTroubles troubles = troubles_with(ModeFlaw::twice);
  EXPECT_EQ(troubles.lost, 0U);
  EXPECT_EQ(troubles.late, 0U);
  EXPECT_EQ(troubles.duplicates, 1U);
}

TEST(UdpEchoLoad, WhatIsLostAtTheEndOfATimedRunIsNotReplaced) {
  const TinyModeServer server(TinyMode::udp_echo, {.flaw = ModeFlaw::drop, .flaw_at = 100});
  UdpEchoOptions options = options_for(server);
  options.answer_timeout = milliseconds(500);
  auto load = UdpEchoLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  LatencyHistogram latencies;
  load->record_into(&latencies);
  // The run ends before the loss is noticed.
  const auto work = load->run_for(milliseconds(100));
  ASSERT_TRUE(work) << work.error();
  EXPECT_EQ(load->troubles().lost, 1U);
  EXPECT_EQ(work->operations, latencies.count());
  EXPECT_GE(work->wall, milliseconds(500));
  const auto next = load->run(100);
  ASSERT_TRUE(next) << next.error();
  EXPECT_EQ(load->troubles().lost, 0U);
}

TEST(UdpEchoLoad, ManyDuplicatesAreAnError) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::twice, .flaw_at = 3, .flaw_every = 10}),
              AllOf(HasSubstr("datagrams were answered twice"), HasSubstr("at most 1 %")));
}

TEST(UdpEchoLoad, ManyLostDatagramsAreAnError) {
  const TinyModeServer server(TinyMode::udp_echo,
                              {.flaw = ModeFlaw::drop, .flaw_at = 10, .flaw_every = 30});
  UdpEchoOptions options = options_for(server);
  options.answer_timeout = milliseconds(20);
  auto load = UdpEchoLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(1'000);
  ASSERT_FALSE(time);
  EXPECT_THAT(time.error(), AllOf(HasSubstr("datagrams were lost"), HasSubstr("at most 1 %")));
}

TEST(UdpEchoLoad, AChangedByteIsNamed) {
  EXPECT_THAT(
      error_with({.flaw = ModeFlaw::flip_byte, .flaw_at = 30}),
      AllOf(HasSubstr("socket "), HasSubstr("datagram "), HasSubstr("byte 63: expected 0x")));
}

TEST(UdpEchoLoad, AnAnswerThatIsShorterOrLongerIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::cut, .flaw_at = 30}),
              HasSubstr("expected 64 bytes, received 63"));
  EXPECT_THAT(error_with({.flaw = ModeFlaw::extra_byte, .flaw_at = 30}),
              HasSubstr("expected 64 bytes, received 65"));
}

TEST(UdpEchoLoad, AnAnswerToAnotherSocketIsSeen) {
  const TinyModeServer server(TinyMode::udp_echo,
                              {.flaw = ModeFlaw::misdeliver, .flaw_at = 2, .flaw_every = 1});
  UdpEchoOptions options = options_for(server);
  options.sockets = 2;
  // The second datagram of all is the second socket's, and the first one gets it.
  const auto load = UdpEchoLoad::open(options);
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr("socket 0, datagram 1, byte 8: expected 0x"));
}

TEST(UdpEchoLoad, ASilentServerMeetsTheDeadline) {
  const TinyModeServer server(TinyMode::udp_echo, {.flaw = ModeFlaw::silent});
  UdpEchoOptions options = options_for(server);
  options.answer_timeout = milliseconds(20);
  options.deadline = milliseconds(100);
  const auto load = UdpEchoLoad::open(options);
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr("5 of 5 sockets still wait for an answer after 100 ms"));
}

TEST(UdpEchoLoad, AClosedPortNamesTheTarget) {
  UdpEchoOptions options;
  {
    const TinyModeServer gone(TinyMode::udp_echo);
    options.port = gone.port();
  }
  const auto load = UdpEchoLoad::open(options);
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr(std::to_string(options.port)));
  EXPECT_THAT(load.error(), HasSubstr("refused"));
}

TEST(UdpEchoLoad, SizesOutOfRangeAreNamed) {
  for (const auto& [sockets, bytes] : {std::pair<std::size_t, std::size_t>{0, 64},
                                       {kUdpSocketsMax + 1, 64},
                                       {1, kDatagramBytesMin - 1},
                                       {1, kDatagramBytesMax + 1}}) {
    UdpEchoOptions options;
    options.sockets = sockets;
    options.bytes = bytes;
    const auto load = UdpEchoLoad::open(options);
    ASSERT_FALSE(load);
    EXPECT_THAT(load.error(), AllOf(HasSubstr(std::to_string(sockets) + " sockets and " +
                                              std::to_string(bytes) + " bytes"),
                                    HasSubstr("1 to 256 sockets and 16 to 1400 bytes")));
  }
}

}  // namespace
}  // namespace skysock::load
