// Does the blast load check every byte of every reader, keep its slow readers slow, and see every
// way a source can cheat?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/load/echo_load.hpp"
#include "bench/load/tiny_modes.hpp"
#include "bench/stream/blast_load.hpp"

namespace skysock::bench {
namespace {

using load::ModeFlaw;
using load::TinyMode;
using load::TinyModeServer;
using std::chrono::milliseconds;
using testing::AnyOf;
using testing::HasSubstr;

BlastOptions options_for(const TinyModeServer& server) {
  BlastOptions options;
  options.port = server.port();
  options.fast = 3;
  options.slow = 2;
  return options;
}

std::string error_with(load::TinyModeOptions flaw, milliseconds deadline = milliseconds(10'000)) {
  const TinyModeServer server(TinyMode::source, flaw);
  BlastOptions options = options_for(server);
  options.deadline = deadline;
  auto load = BlastLoad::open(options);
  if (!load) return load.error();
  const auto time = load->run(2'000);
  return time ? "no error" : time.error();
}

TEST(BlastLoad, ReadsExactlyWhatItWasTold) {
  const TinyModeServer server(TinyMode::source);
  auto load = BlastLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  const std::uint64_t before = load->fast_bytes() + load->slow_bytes();
  const auto times = load::run_chunks(*load, 503, 5);
  ASSERT_TRUE(times) << times.error();
  EXPECT_EQ(load->fast_bytes() + load->slow_bytes() - before, 503 * BlastLoad::kOperationBytes);
  EXPECT_TRUE(load->run(0));
}

TEST(BlastLoad, TimedRunsCountWhatCame) {
  const TinyModeServer server(TinyMode::source);
  auto load = BlastLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    const std::uint64_t before = load->fast_bytes() + load->slow_bytes();
    const auto work = load->run_for(milliseconds(30));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->wall, milliseconds(30));
    EXPECT_GE(work->operations, 1U);
    EXPECT_EQ(work->operations,
              (load->fast_bytes() + load->slow_bytes() - before) / BlastLoad::kOperationBytes);
    EXPECT_TRUE(load->run(3));
  }
}

TEST(BlastLoad, ATimedRunOfNoTimeReadsOneOperation) {
  const TinyModeServer server(TinyMode::source);
  auto load = BlastLoad::open(options_for(server));
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(milliseconds(0));
  ASSERT_TRUE(work) << work.error();
  EXPECT_GE(work->operations, 1U);
}

TEST(BlastLoad, SlowReadersKeepToTheirTimetable) {
  const TinyModeServer server(TinyMode::source);
  BlastOptions options = options_for(server);
  options.slow_bytes = 1'000;
  auto load = BlastLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  const std::uint64_t slow_before = load->slow_bytes();
  const std::uint64_t fast_before = load->fast_bytes();
  const auto work = load->run_for(milliseconds(105));
  ASSERT_TRUE(work) << work.error();
  const std::uint64_t slow = load->slow_bytes() - slow_before;
  const auto turns = static_cast<std::uint64_t>(work->wall / options.slow_period) + 1;
  EXPECT_LE(slow, 2 * turns * 1'000);
  EXPECT_GE(slow, 2'000U);
  EXPECT_GT(load->fast_bytes() - fast_before, slow);
}

TEST(BlastLoad, OnlySlowReadersReadToo) {
  const TinyModeServer server(TinyMode::source);
  BlastOptions options = options_for(server);
  options.fast = 0;
  options.slow_period = milliseconds(1);
  auto load = BlastLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(20);
  ASSERT_TRUE(time) << time.error();
  EXPECT_EQ(load->fast_bytes(), 0U);
}

TEST(BlastLoad, MoreReadersThanOneGroupReadEachTheirOwn) {
  const TinyModeServer server(TinyMode::source);
  BlastOptions options = options_for(server);
  options.fast = 40;
  auto load = BlastLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  EXPECT_TRUE(load->run(500));
}

TEST(BlastLoad, AChangedByteIsNamed) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::flip_byte, .flaw_at = 100'000}),
              HasSubstr("byte 100000: expected 0x"));
}

TEST(BlastLoad, AMissingByteIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::drop, .flaw_at = 100'000}),
              HasSubstr("byte 100000: expected 0x"));
}

TEST(BlastLoad, AnEarlyEndIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::close_early, .flaw_at = 100'000}),
              HasSubstr("expected byte 100000, received the end of the stream"));
}

TEST(BlastLoad, AStreamThatStopsIsSeen) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::no_end, .flaw_at = 100'000}, milliseconds(200)),
              AnyOf(HasSubstr("no byte for 200 ms after 100000 bytes"),
                    HasSubstr("bytes came before the deadline, expected 32768000")));
}

TEST(BlastLoad, AReaderThatGetsNothingMoreIsSeenThoughOthersDo) {
  const TinyModeServer server(TinyMode::source, {.flaw = ModeFlaw::starve, .flaw_at = 100'000});
  BlastOptions options = options_for(server);
  options.slow = 0;
  options.deadline = milliseconds(300);
  auto load = BlastLoad::open(options);
  ASSERT_TRUE(load) << load.error();
  // No run is as long as the deadline: the silence goes on from one to the next.
  std::string error;
  for (int slice = 0; slice < 40 && error.empty(); ++slice) {
    const auto work = load->run_for(milliseconds(20));
    if (!work) error = work.error();
  }
  EXPECT_THAT(error, HasSubstr("no byte for 300 ms after 100000 bytes"));
}

TEST(BlastLoad, ASilentServerMeetsTheDeadline) {
  EXPECT_THAT(error_with({.flaw = ModeFlaw::silent}, milliseconds(100)),
              HasSubstr("fast reader 0 of 127.0.0.1:"));
}

TEST(BlastLoad, ARefusedConnectionNamesTheTarget) {
  BlastOptions options;
  {
    const TinyModeServer gone(TinyMode::source);
    options.port = gone.port();
  }
  const auto load = BlastLoad::open(options);
  ASSERT_FALSE(load);
  EXPECT_THAT(load.error(), HasSubstr(std::to_string(options.port)));
  EXPECT_THAT(load.error(), HasSubstr("refused"));
}

TEST(BlastLoad, OptionsOutOfRangeAreNamed) {
  const auto none = BlastLoad::open({.port = 1, .fast = 0, .slow = 0});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error(), HasSubstr("0 fast readers and 0 slow ones"));
  const auto still = BlastLoad::open({.port = 1, .slow_bytes = 0});
  ASSERT_FALSE(still);
  EXPECT_THAT(still.error(), HasSubstr("0 bytes per 10 ms: expected"));
}

}  // namespace
}  // namespace skysock::bench
