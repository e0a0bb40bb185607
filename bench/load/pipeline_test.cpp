// Are as many messages in flight as was asked for, is each of them checked, and is each one's time
// counted?

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "bench/load/echo_load.hpp"
#include "bench/load/tiny_echo.hpp"

namespace skysock::load {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::size_t kBytes = 64;

/// Echoes to one connection, but after the first message only what it got `messages` of together.
void echo_in_blocks(const Fd& listener, std::size_t messages) {
  const Fd peer(accept(listener.get(), nullptr, nullptr));
  std::array<std::byte, 64 * kBytes> block{};
  for (std::size_t want = kBytes;; want = messages * kBytes) {
    if (recv(peer.get(), block.data(), want, MSG_WAITALL) != static_cast<ssize_t>(want)) return;
    if (send(peer.get(), block.data(), want, MSG_NOSIGNAL) < 0) return;
  }
}

/// What a load of that depth says to a server that waits for `messages` before it answers.
std::string error_with_blocks(std::size_t messages, std::size_t depth, milliseconds deadline) {
  const auto listener = listen_on_loopback();
  if (!listener) return listener.error();
  // Blocking: it has one connection and nothing to do without it.
  const int flags = fcntl(listener->get(), F_GETFL);
  if (fcntl(listener->get(), F_SETFL, flags & ~O_NONBLOCK) != 0) return errno_text(errno);
  const std::jthread server([&] { echo_in_blocks(*listener, messages); });
  auto load = EchoLoad::open({.port = port_of(*listener),
                              .connections = 1,
                              .bytes = kBytes,
                              .depth = depth,
                              .deadline = deadline});
  if (!load) return load.error();
  const auto time = load->run(10 * messages);
  return time ? "no error" : time.error();
}

TEST(EchoLoadPipeline, AServerThatWaitsForThatManyMessagesGetsThem) {
  EXPECT_EQ(error_with_blocks(1, 1, milliseconds(10'000)), "no error");
  EXPECT_EQ(error_with_blocks(5, 5, milliseconds(10'000)), "no error");
  EXPECT_EQ(error_with_blocks(64, 64, milliseconds(10'000)), "no error");
}

TEST(EchoLoadPipeline, NoMoreThanThatAreInFlight) {
  EXPECT_THAT(error_with_blocks(6, 5, milliseconds(100)),
              HasSubstr("1 of 1 connections still wait for an answer after 100 ms"));
}

TEST(EchoLoadPipeline, CountedAndTimedRunsPassWhatTheyBegan) {
  const TinyEcho server;
  // One sendmsg carries 64 pieces: the depths are on both sides of it.
  for (const std::size_t depth : {2U, 63U, 64U, 65U, 200U}) {
    auto load = EchoLoad::open({.port = server.port(), .connections = 3, .depth = depth});
    ASSERT_TRUE(load) << load.error();
    for (const std::uint64_t operations : {0U, 1U, 2U, 1'003U}) {
      const auto time = load->run(operations);
      ASSERT_TRUE(time) << time.error();
    }
    const auto work = load->run_for(milliseconds(10));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->operations, 3 * depth);
    // A message still in flight would come back while nothing may.
    const auto held = load->hold_for(milliseconds(5));
    ASSERT_TRUE(held) << held.error();
  }
}

TEST(EchoLoadPipeline, MessagesLargerThanAnySocketBufferPassInOrder) {
  const TinyEcho server;
  auto load =
      EchoLoad::open({.port = server.port(), .connections = 2, .bytes = 5'000'003, .depth = 3});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(8);
  EXPECT_TRUE(time) << time.error();
}

TEST(EchoLoadPipeline, ADepthOutOfRangeIsNamed) {
  const TinyEcho server;
  for (const std::size_t depth : {std::size_t{0}, std::size_t{65'537}}) {
    const auto load = EchoLoad::open({.port = server.port(), .depth = depth});
    ASSERT_FALSE(load);
    EXPECT_THAT(load.error(), HasSubstr("depth " + std::to_string(depth) + ": expected 1 to"));
  }
}

TEST(EchoLoadLatencies, EveryMessageIsCountedOnceAndOnlyWhileRecording) {
  const TinyEcho server;
  for (const std::size_t depth : {1U, 7U}) {
    auto load = EchoLoad::open({.port = server.port(), .connections = 5, .depth = depth});
    ASSERT_TRUE(load) << load.error();
    LatencyHistogram latencies;
    load->record_into(&latencies);
    const auto time = load->run(503);
    ASSERT_TRUE(time) << time.error();
    EXPECT_EQ(latencies.count(), 503U);
    EXPECT_GT(latencies.percentile(0).count(), 0);
    EXPECT_LE(latencies.max(), *time);
    const auto work = load->run_for(milliseconds(10));
    ASSERT_TRUE(work) << work.error();
    EXPECT_EQ(latencies.count(), 503 + work->operations);
    load->record_into(nullptr);
    ASSERT_TRUE(load->run(20));
    EXPECT_EQ(latencies.count(), 503 + work->operations);
  }
}

TEST(EchoLoadLatencies, TheServersTimeAndTheWaitInItsQueueAreInThem) {
  const TinyEcho server({.spin = 1'000'000});  // At least 1 ms per read on any machine of today.
  auto load = EchoLoad::open({.port = server.port(), .connections = 4});
  ASSERT_TRUE(load) << load.error();
  LatencyHistogram latencies;
  load->record_into(&latencies);
  const auto time = load->run(40);
  ASSERT_TRUE(time) << time.error();
  EXPECT_GE(latencies.percentile(0), milliseconds(1));
  // Each of the four waits for the other three, too.
  EXPECT_GE(latencies.percentile(0.5), milliseconds(3));
}

}  // namespace
}  // namespace skysock::load
