// Tuning busy_poll_us: does the reactor ask before it sleeps, find what comes meanwhile, and stop
// asking in time? On both kernels.

#include <thread>

#include "core/net/test_kernels.hpp"

namespace skysock {
namespace {

Tuning busy(std::int64_t us) {
  Tuning tuning;
  tuning.busy_poll_us = us;
  return tuning;
}

template <typename Sys>
class BusyPollOn : public testing::Test {};
TYPED_TEST_SUITE(BusyPollOn, TestKernels, KernelNames);

TYPED_TEST(BusyPollOn, WithoutItTheReactorSleepsAtOnce) {
  World<TypeParam> world;
  world.server->poll(2);
  EXPECT_EQ(world.server->counts().busy_polls, 0U);
  EXPECT_EQ(world.server->counts().waits, 1U);
}

TYPED_TEST(BusyPollOn, ItAsksForThatLongAndThenSleeps) {
  World<TypeParam> world(busy(500));
  const std::int64_t begin_us = world.sys.now_us();
  world.server->poll(2);
  const std::int64_t took_us = world.sys.now_us() - begin_us;
  const SocketServerCounts counts = world.server->counts();
  EXPECT_EQ(counts.busy_polls, 1U);
  EXPECT_EQ(counts.busy_polls_in_vain, 1U);
  EXPECT_GE(counts.waits, 3U) << "it asked more than once, then slept";
  EXPECT_GE(took_us, 1'500) << "it slept after it had asked";
}

TYPED_TEST(BusyPollOn, WhatIsReadyIsFoundWithoutASleep) {
  World<TypeParam> world(busy(500'000));
  const auto pair = world.connection();
  world.peer_send(pair.peer, "hello");
  const std::uint64_t in_vain = world.server->counts().busy_polls_in_vain;
  while (world.data_of(pair.id) != "hello") world.server->poll(1'000);
  EXPECT_EQ(world.server->counts().busy_polls_in_vain, in_vain);
  EXPECT_GT(world.server->counts().busy_polls, 0U);
}

TYPED_TEST(BusyPollOn, ACommandThatWaitsIsRunAtOnce) {
  World<TypeParam> world(busy(1'000'000));
  const SocketId id = world.listener();
  const std::uint64_t before = world.server->counts().busy_polls;
  world.close(id);
  world.server->poll(-1);
  EXPECT_EQ(world.count(EventKind::close, id), 1U);
  EXPECT_EQ(world.server->counts().busy_polls, before) << "there was nothing to wait for";
}

TYPED_TEST(BusyPollOn, ItDoesNotAskPastATimeLimit) {
  Tuning tuning = busy(1'000'000);
  tuning.accept_timeout_ms = 20;
  World<TypeParam> world(tuning);
  const auto pair = world.connection(false);
  const std::int64_t begin_us = world.sys.now_us();
  while (world.server->state(pair.id) != State::free) world.server->poll(-1);
  EXPECT_LT(world.sys.now_us() - begin_us, 500'000);
}

/// The caller asked for so long: asking is a part of that. Only simulated time is exact.
TEST(BusyPoll, AskingShortensTheSleepBehindIt) {
  World<SimKernel> world(busy(20'000));
  const std::int64_t begin_ms = world.sys.now_ms();
  world.server->poll(30);
  EXPECT_EQ(world.server->counts().busy_polls_in_vain, 1U);
  EXPECT_GE(world.sys.now_ms() - begin_ms, 29);
  EXPECT_LE(world.sys.now_ms() - begin_ms, 31);
}

TEST(BusyPoll, ACommandOfAnotherThreadEndsIt) {
  World<LinuxSys> world(busy(1'000'000));
  const SocketId id = world.listener();
  std::jthread other([&] {
    while (world.server->counts().busy_polls == 0) std::this_thread::yield();
    world.close(id);
  });
  const std::int64_t begin_ms = world.sys.now_ms();
  while (world.count(EventKind::close, id) == 0) world.server->poll(-1);
  EXPECT_LT(world.sys.now_ms() - begin_ms, 900);
  EXPECT_EQ(world.server->counts().busy_polls_in_vain, 0U);
}

}  // namespace
}  // namespace skysock
