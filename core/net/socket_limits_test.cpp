// Does every limit end what it limits, and only that: time limits of a closing or unstarted socket,
// slots, descriptors? And is a server without work at rest?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class SocketLimitsOn : public testing::Test {};
TYPED_TEST_SUITE(SocketLimitsOn, TestKernels, KernelNames);

TYPED_TEST(SocketLimitsOn, AnAcceptedSocketThatNobodyStartsIsClosed) {
  World<TypeParam> world(parse_tuning("accept_timeout_ms=20").value());
  const std::int64_t before_ms = world.sys.now_ms();
  const auto pair = world.connection(false);
  world.server->poll(0);
  const std::string early = world.story_of(pair.id);
  if (world.sys.now_ms() - before_ms < 20) {
    EXPECT_EQ(early, "") << "closed before its time";
  }
  world.pass_ms(30);
  EXPECT_EQ(world.story_of(pair.id), "C");
  EXPECT_TRUE(world.peer_read(pair.peer).eof);
}

TYPED_TEST(SocketLimitsOn, AStartedSocketHasNoAcceptTimeout) {
  World<TypeParam> world(parse_tuning("accept_timeout_ms=10").value());
  const auto pair = world.connection();
  world.pass_ms(30);
  EXPECT_EQ(world.story_of(pair.id), "O");
}

TYPED_TEST(SocketLimitsOn, AZeroAcceptTimeoutMeansNever) {
  World<TypeParam> world(parse_tuning("accept_timeout_ms=0").value());
  const auto pair = world.connection(false);
  world.pass_ms(30);
  EXPECT_EQ(world.server->state(pair.id), State::paccept);
}

TYPED_TEST(SocketLimitsOn, ADrainThatTheReaderStallsEndsInTime) {
  World<TypeParam> world(parse_tuning("drain_timeout_ms=250").value());
  const auto pair = world.connection();
  EXPECT_TRUE(world.send(pair.id, std::string(8'000'000, 'd')));
  world.close(pair.id);
  world.settle();
  ASSERT_EQ(world.server->state(pair.id), State::draining);
  world.pass_ms(260);
  EXPECT_EQ(world.story_of(pair.id), "OWC");
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TYPED_TEST(SocketLimitsOn, APeerThatNeverEndsLingersOnlySoLong) {
  World<TypeParam> world(parse_tuning("linger_ms=250").value());
  const auto pair = world.connection();
  world.close(pair.id);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.server->state(pair.id), State::lingering);
  world.pass_ms(260);
  EXPECT_EQ(world.server->state(pair.id), State::free);
  EXPECT_EQ(world.story_of(pair.id), "OC");
}

TYPED_TEST(SocketLimitsOn, APeerThatSendsOnLingersOnlySoManyBytes) {
  World<TypeParam> world(parse_tuning("linger_bytes=100000").value());
  const auto pair = world.connection();
  world.close(pair.id);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  world.peer_send(pair.peer, std::string(100'000, 'l'));
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::lingering);
  world.peer_send(pair.peer, std::string(1'000, 'l'));
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
}

TYPED_TEST(SocketLimitsOn, WithLingerOffAClosedSocketIsGoneAtOnce) {
  for (const std::string off : {"linger_ms=0", "linger_sockets=0"}) {
    World<TypeParam> world(parse_tuning(off).value());
    const auto pair = world.connection();
    world.close(pair.id);
    ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
    EXPECT_EQ(world.server->state(pair.id), State::free) << off;
  }
}

TYPED_TEST(SocketLimitsOn, LV27_WithoutAFreeSlotAConnectionIsRefusedAndTheOwnerTold) {
  World<TypeParam> world(parse_tuning("slots=2").value());
  const auto pair = world.connection();
  const int refused = world.client();
  const Event* error = world.wait_for(EventKind::error, pair.listener);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "no socket slot is free");
  EXPECT_TRUE(world.peer_read(refused).eof);
  EXPECT_EQ(world.server->counts().refused_accepts, 1U);
  const auto reserved = world.server->open(kOwner, "127.0.0.1", world.port);
  EXPECT_EQ(reserved.error(), std::errc::too_many_files_open_in_system);

  world.close(pair.id, CloseMode::abortive);
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
  world.client();
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::accept, pair.listener) == 2; }))
      << "a slot is free again, so a new client is served";
}

TYPED_TEST(SocketLimitsOn, RefusalsAreReportedOnceASecondButAllCounted) {
  World<TypeParam> world(parse_tuning("slots=2").value());
  const auto pair = world.connection();
  for (int turn = 0; turn < 5; ++turn) world.client();
  EXPECT_TRUE(world.until([&] { return world.server->counts().refused_accepts == 5; }));
  EXPECT_EQ(world.count(EventKind::error, pair.listener), 1U);
}

TYPED_TEST(SocketLimitsOn, OneLoudConnectionDoesNotSilenceAnother) {
  World<TypeParam> world(parse_tuning("read_buffer_bytes=64,reads_per_event=2").value());
  const auto pair = world.connection();
  const int quiet_peer = world.client();
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::accept, pair.listener) == 2; }));
  const auto quiet = static_cast<SocketId>(world.events.back().ud);
  EXPECT_TRUE(world.server->start(kOwner, quiet).has_value());
  ASSERT_NE(world.wait_for(EventKind::open, quiet), nullptr);
  world.peer_send(pair.peer, std::string(10'000, 'L'));
  world.peer_send(quiet_peer, "q");
  ASSERT_NE(world.wait_for(EventKind::data, quiet), nullptr);
  EXPECT_LT(world.data_of(pair.id).size(), 10'000U) << "128 bytes a turn";
}

/// A02, A40, LV23: in none of these states may the poller report the same thing for ever.
TYPED_TEST(SocketLimitsOn, AHalfClosedConnectionCausesNoWakeUps) {
  World<TypeParam> world;
  const auto pair = world.connection();
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  world.settle();
  const std::size_t events = world.events.size();
  const std::int64_t before_ms = world.sys.now_ms();
  world.server->poll(25);
  EXPECT_GE(world.sys.now_ms() - before_ms, 24) << "the wait was not interrupted";
  EXPECT_EQ(world.events.size(), events);
}

TYPED_TEST(SocketLimitsOn, A40_AResetOfAHalfClosedConnectionFreesItsSlot) {
  World<TypeParam> world;
  const auto pair = world.connection();
  EXPECT_TRUE(world.send(pair.id, "unread"));
  world.settle();
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  world.peer_close(pair.peer);  // With unread input: a reset.
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
  EXPECT_EQ(world.count(EventKind::close, pair.id), 1U);
}

TYPED_TEST(SocketLimitsOn, AThousandConnectionsComeAndGoWithoutATrace) {
  World<TypeParam> world(parse_tuning("slots=16").value());
  const SocketId listener = world.listener();
  for (int turn = 0; turn < 1'000; ++turn) {
    world.events.clear();
    const int peer = world.client();
    const Event* accept = world.wait_for(EventKind::accept, listener);
    ASSERT_NE(accept, nullptr);
    const auto id = static_cast<SocketId>(accept->ud);
    ASSERT_TRUE(world.server->start(kOwner, id).has_value());
    world.peer_send(peer, "x");
    ASSERT_NE(world.wait_for(EventKind::data, id), nullptr);
    world.peer_close(peer);
    ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
    world.close(id);
    ASSERT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
  }
  EXPECT_EQ(world.server->counts().slots_used, 1U);
  EXPECT_EQ(world.server->counts().accepts, 1'000U);
}

}  // namespace
}  // namespace skysock
