// Does the one-way load notice every byte that a sink lost, changed or made up, and does a sink
// count the same however the stream is cut?

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <thread>
#include <vector>

#include "bench/load/tiny_echo.hpp"
#include "bench/peers/raw_epoll.hpp"
#include "bench/stream/stream_load.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using testing::HasSubstr;

/// Header and the first `bytes` bytes of the stream it announces.
std::vector<std::byte> stream_of(const SinkHeader& header, std::size_t bytes) {
  const auto head = std::as_bytes(std::span(&header, 1));
  std::vector<std::byte> stream(head.begin(), head.end());
  const auto body = stream_bytes(header.pattern_offset, bytes);
  stream.insert(stream.end(), body.begin(), body.end());
  return stream;
}

TEST(SinkTally, CutAnywhereCountsTheSame) {
  const auto stream = stream_of({.pattern_offset = 4090, .report_every = 50}, 50);
  for (std::size_t cut = 0; cut < stream.size(); ++cut) {
    SinkTally tally;
    EXPECT_FALSE(tally.feed(std::span(stream).first(cut))) << "cut at " << cut;
    const auto report = tally.feed(std::span(stream).subspan(cut));
    ASSERT_TRUE(report) << "cut at " << cut;
    EXPECT_EQ(report->bytes, 50U);
    EXPECT_EQ(report->wrong_at, SinkReport::kNothingWrong);
    EXPECT_EQ(report->chunks, cut <= sizeof(SinkHeader) ? 1U : 2U);
  }
}

TEST(SinkTally, ReportsEachTimeItIsDueAndOnlyThen) {
  const auto stream = stream_of({.report_every = 30}, 90);
  SinkTally tally;
  std::vector<std::uint64_t> reported;
  for (const std::byte byte : stream) {
    if (const auto report = tally.feed(std::span(&byte, 1))) reported.push_back(report->bytes);
  }
  EXPECT_EQ(reported, (std::vector<std::uint64_t>{30, 60, 90}));
}

TEST(SinkTally, TheFirstWrongByteIsNamed) {
  auto stream = stream_of({.report_every = 10'000}, 10'000);
  stream[sizeof(SinkHeader) + 5'001] ^= std::byte{1};
  stream[sizeof(SinkHeader) + 9'000] ^= std::byte{1};
  EXPECT_EQ(SinkTally().feed(stream)->wrong_at, 5'001U);
}

TEST(SinkTally, ALostByteIsSeenThoughTheCountIsMadeUp) {
  auto stream = stream_of({.report_every = 1'000}, 1'001);
  stream.erase(stream.begin() + sizeof(SinkHeader) + 600);
  EXPECT_EQ(SinkTally().feed(stream)->wrong_at, 600U);
}

TEST(StreamLoad, EveryMessageReachesASink) {
  const load::Fd listener = listen_on("127.0.0.1", 0).value();
  const load::Fd stop(eventfd(0, EFD_CLOEXEC));
  std::thread server([&] {
    const auto served = serve_raw_epoll(listener, stop.get(), ServerMode::sink);
    EXPECT_TRUE(served) << served.error();
  });
  for (const std::size_t bytes : {1UL, 777UL, kStreamMessageBytesMax}) {
    auto load = StreamLoad::open(
        {.port = bench::port_of(listener), .connections = 3, .bytes = bytes, .batch_messages = 11});
    ASSERT_TRUE(load) << load.error();
    EXPECT_EQ(load->messages_per_run(), 33U);
    const std::uint64_t before = load->chunks();
    const auto done = load->run();
    EXPECT_TRUE(done) << done.error();
    EXPECT_GT(load->chunks(), before);
  }
  eventfd_write(stop.get(), 1);
  server.join();
}

TEST(StreamLoad, ATimedRunEndsWithEveryMessageReported) {
  const load::Fd listener = listen_on("127.0.0.1", 0).value();
  const load::Fd stop(eventfd(0, EFD_CLOEXEC));
  std::thread server([&] {
    const auto served = serve_raw_epoll(listener, stop.get(), ServerMode::sink);
    EXPECT_TRUE(served) << served.error();
  });
  {
    auto load = StreamLoad::open(
        {.port = bench::port_of(listener), .connections = 3, .bytes = 777, .batch_messages = 11});
    ASSERT_TRUE(load) << load.error();
    for (const int ms : {0, 20, 20}) {
      const auto work = load->run_for(std::chrono::milliseconds(ms));
      ASSERT_TRUE(work) << work.error();
      EXPECT_GE(work->operations, 33U);
      EXPECT_EQ(work->operations % 11, 0U);
      EXPECT_GE(work->wall, std::chrono::milliseconds(ms));
      if (ms == 0) {
        EXPECT_EQ(work->operations, 33U);
      }
      const auto batch = load->run();
      EXPECT_TRUE(batch) << batch.error();
    }
  }
  eventfd_write(stop.get(), 1);
  server.join();
}

/// Answers the first connection's first batch with `report`, whatever it sent.
std::string error_with(const SinkReport& report) {
  const load::Fd listener = load::listen_on_loopback().value();
  std::thread server([&] {
    int fd = -1;
    while (fd < 0) fd = accept(listener.get(), nullptr, nullptr);  // It does not block: spins.
    const load::Fd connection(fd);
    EXPECT_EQ(send(fd, &report, sizeof report, MSG_NOSIGNAL), static_cast<ssize_t>(sizeof report));
    char drain[4096];
    while (recv(fd, drain, sizeof drain, 0) > 0) {
    }
  });
  std::string error = "no error";
  {
    const auto load = StreamLoad::open(
        {.port = load::port_of(listener), .connections = 1, .bytes = 100, .batch_messages = 10});
    if (!load) error = load.error();
  }
  server.join();
  return error;
}

TEST(StreamLoad, AnHonestReportIsAccepted) { EXPECT_EQ(error_with({.bytes = 1'000}), "no error"); }

TEST(StreamLoad, ACountThatIsShortByOneIsSeen) {
  EXPECT_THAT(error_with({.bytes = 999}), HasSubstr("counted 999 bytes of 1000"));
}

TEST(StreamLoad, AWrongByteIsSeen) {
  EXPECT_THAT(error_with({.bytes = 1'000, .wrong_at = 7}), HasSubstr("wrong byte at 7"));
}

TEST(StreamLoad, ASilentServerMeetsTheDeadline) {
  const load::TinyEcho server({.flaw = load::Flaw::silent});
  const auto load = StreamLoad::open(
      {.port = server.port(), .connections = 2, .deadline = std::chrono::milliseconds(50)});
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr("2 of 2 connections had no report"));
}

TEST(StreamLoad, AnEarlyEndIsSeen) {
  const load::TinyEcho server({.flaw = load::Flaw::close_early, .flaw_at = 1});
  const auto load = StreamLoad::open({.port = server.port(), .connections = 1});
  ASSERT_FALSE(load);
}

TEST(StreamLoad, AMessageLargerThanThePatternIsRefused) {
  EXPECT_FALSE(StreamLoad::open({.port = 1, .bytes = kStreamMessageBytesMax + 1}));
}

}  // namespace
}  // namespace skysock::bench
