// Does a hold keep what it should and nothing else, in each state, and is what the peer does
// meanwhile told at the right time?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class HoldOn : public testing::Test {
 protected:
  void hold(SocketId id) {
    ASSERT_TRUE(world_.server->hold(kOwner, id).has_value());
    world_.settle();
  }
  void start(SocketId id) { ASSERT_TRUE(world_.server->start(kOwner, id).has_value()); }
  void expect_rest() {
    world_.settle();
    const std::uint64_t wakeups = world_.server->counts().wakeups;
    world_.settle();
    EXPECT_EQ(world_.server->counts().wakeups, wakeups) << "it spins";
  }

  World<Sys> world_;
};
TYPED_TEST_SUITE(HoldOn, TestKernels, KernelNames);

TYPED_TEST(HoldOn, AHeldConnectionReadsNothingAndStillWrites) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->hold(pair.id);
  EXPECT_EQ(world.server->state(pair.id), State::connected_held);
  world.peer_send(pair.peer, "waits");
  this->expect_rest();
  EXPECT_EQ(world.data_of(pair.id), "");
  EXPECT_FALSE(world.info_of(pair.id).reading);
  EXPECT_EQ(world.server->send(pair.id, Block::copy_of("out")).value(), SendOutcome::written);
  EXPECT_EQ(world.peer_read(pair.peer, 3).text, "out");
  this->start(pair.id);
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id) == "waits"; }));
  EXPECT_EQ(world.story_of(pair.id), "OOD");
}

TYPED_TEST(HoldOn, WhatCameBetweenAHoldAndAStartInOneBatchIsRead) {
  SocketServer<TypeParam>* server = nullptr;
  SocketId held = 0;
  // The other one's DATA is the reason to start again, when the event of this one was passed over.
  World<TypeParam> world(parse_tuning("poller=epoll_et").value(), [&] {
    if (held == 0) return;
    EXPECT_TRUE(server->start(kOwner, std::exchange(held, 0)).has_value());
  });
  server = world.server.get();
  const auto first = world.connection();
  const int peer = world.client();
  ASSERT_TRUE(world.until([&] { return world.count(EventKind::accept, first.listener) == 2; }));
  const auto other = static_cast<SocketId>(world.events.back().ud);
  ASSERT_TRUE(world.server->start(kOwner, other).has_value());
  ASSERT_NE(world.wait_for(EventKind::open, other), nullptr);
  world.settle();
  held = first.id;
  ASSERT_TRUE(world.server->hold(kOwner, first.id).has_value());
  const iovec part{.iov_base = const_cast<char*>("ab"), .iov_len = 2};
  ASSERT_TRUE(world.sys.send(first.peer, std::span(&part, 1)).has_value());
  ASSERT_TRUE(world.sys.send(peer, std::span(&part, 1)).has_value());
  EXPECT_TRUE(world.until([&] { return world.data_of(first.id) == "ab"; }));
  EXPECT_EQ(world.data_of(other), "ab");
}

TYPED_TEST(HoldOn, LargeOutputLeavesAHeldConnection) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->hold(pair.id);
  const std::string large(8'000'000, 'h');
  ASSERT_TRUE(world.send(pair.id, large));
  EXPECT_EQ(world.peer_read(pair.peer, large.size()).text, large);
}

TYPED_TEST(HoldOn, AResetOfAHeldConnectionIsDataThenErrThenClose) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->hold(pair.id);
  world.peer_send(pair.peer, std::string(10'000, 'r'));
  world.settle();
  world.peer_reset(pair.peer);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  // Linux may drop what was not read when the reset came; what is delivered comes first.
  const std::string story = world.story_of(pair.id);
  EXPECT_EQ(story.substr(story.size() - 2), "EC");
  EXPECT_EQ(world.data_of(pair.id).size(), 10'000U);
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TYPED_TEST(HoldOn, AFinOfAHeldConnectionIsToldWhenItIsResumed) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->hold(pair.id);
  world.peer_send(pair.peer, "bye");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  world.settle();
  this->expect_rest();
  EXPECT_EQ(world.story_of(pair.id), "O");
  this->start(pair.id);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.story_of(pair.id), "OODC");
  EXPECT_EQ(world.data_of(pair.id), "bye");
}

TYPED_TEST(HoldOn, AHeldConnectionIsClosedAtOnceAndThePeerSeesEverythingThenEof) {
  auto& world = this->world_;
  for (const bool fin : {false, true}) {
    const auto pair = world.connection();
    ASSERT_TRUE(world.send(pair.id, "answer"));
    this->hold(pair.id);
    world.peer_send(pair.peer, "never read");
    if (fin) {
      ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
    }
    world.close(pair.id);
    ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
    const auto received = world.peer_read(pair.peer);
    EXPECT_EQ(received.text, "answer");
    EXPECT_TRUE(received.eof) << received.error.message();
    EXPECT_EQ(world.story_of(pair.id), "OC");
    world.peer_close(pair.peer);
    EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
  }
}

TYPED_TEST(HoldOn, A28_AHeldConnectionThatIsClosedWithOutputPendingDoesNotOutliveItsPeer) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->hold(pair.id);
  ASSERT_TRUE(world.send(pair.id, std::string(8'000'000, 'p')));
  world.close(pair.id);
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::draining);
  world.peer_reset(pair.peer);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
  EXPECT_EQ(world.count(EventKind::error, pair.id), 0U) << "the owner is done with it";
}

TYPED_TEST(HoldOn, AHeldListenerAcceptsNothingUntilItsStart) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  this->hold(listener);
  world.client();
  this->expect_rest();
  EXPECT_EQ(world.count(EventKind::accept, listener), 0U);
  this->start(listener);
  EXPECT_NE(world.wait_for(EventKind::accept, listener), nullptr);
}

TYPED_TEST(HoldOn, AHoldWhileConnectingHoldsTheConnection) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  EXPECT_EQ(world.server->state(id), State::connected_held);
  const Event* accept = world.wait_for(EventKind::accept, listener);
  ASSERT_NE(accept, nullptr);
  const auto far = static_cast<SocketId>(accept->ud);
  this->start(far);
  ASSERT_NE(world.wait_for(EventKind::open, far), nullptr);
  ASSERT_TRUE(world.send(far, "early"));
  this->expect_rest();
  EXPECT_EQ(world.data_of(id), "");
  this->start(id);
  EXPECT_TRUE(world.until([&] { return world.data_of(id) == "early"; }));
}

TYPED_TEST(HoldOn, WhereNothingIsReadAHoldChangesNothing) {
  auto& world = this->world_;
  const auto pair = world.connection(false);
  const SocketId plisten = world.listener(false);
  this->hold(pair.id);
  this->hold(plisten);
  EXPECT_EQ(world.server->state(pair.id), State::paccept);
  EXPECT_EQ(world.server->state(plisten), State::plisten);
  this->start(pair.id);
  ASSERT_NE(world.wait_for(EventKind::open, pair.id), nullptr);
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  this->hold(pair.id);
  EXPECT_EQ(world.server->state(pair.id), State::halfclose_read);
  this->expect_rest();
}

TEST(Hold, AHoldWhileResolvingHoldsTheConnection) {
  World<SimKernel> world;
  const Endpoint at = *Endpoint::from_numeric("192.0.2.1", 80);
  world.sys.set_host("name", {at});
  world.sys.set_remote(at, RemoteAnswer::accept);
  world.sys.hold_answers(true);
  const SocketId id = world.server->open(kOwner, "name", 80).value();
  world.settle();
  ASSERT_EQ(world.server->state(id), State::resolving);
  ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
  world.settle();
  EXPECT_EQ(world.server->state(id), State::resolving_held);
  world.sys.hold_answers(false);
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  EXPECT_EQ(world.server->state(id), State::connected_held);
  world.sys.take_remote(at)->send("x");
  world.settle();
  EXPECT_EQ(world.story_of(id), "O");
}

TEST(Hold, AfterAWriteErrorAHoldKeepsTheRestUntilItsStartOrASecondPassed) {
  for (const bool started : {true, false}) {
    World<SimKernel> world;
    const auto pair = world.connection();
    ASSERT_TRUE(world.server->hold(kOwner, pair.id).has_value());
    world.settle();
    world.peer_send(pair.peer, "rest");
    world.sys.fail_next(Call::send, EPIPE);
    ASSERT_TRUE(world.send(pair.id, "lost"));
    ASSERT_NE(world.wait_for(EventKind::error, pair.id), nullptr);
    EXPECT_EQ(world.server->state(pair.id), State::halfclose_write_held);
    if (started) {
      ASSERT_TRUE(world.server->start(kOwner, pair.id).has_value());
    }
    world.settle();
    EXPECT_EQ(world.story_of(pair.id), started ? "OEOD" : "OE");
    world.pass_ms(1'001);
    EXPECT_EQ(world.story_of(pair.id), started ? "OEODC" : "OEC");
    EXPECT_EQ(world.server->state(pair.id), State::free);
  }
}

}  // namespace
}  // namespace skysock
