// Does a hand-over lose or double no byte, whatever happens in the middle of it?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/prng.hpp"
#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class HandoverOn : public testing::Test {
 protected:
  using Pair = typename World<Sys>::Pair;

  void hand_over(SocketId id, ServiceHandle from = kOwner) {
    ASSERT_TRUE(world_.server->hand_over(from, id).has_value());
    ASSERT_TRUE(world_.until([&] { return world_.count(EventKind::handover, id) > 0; }));
  }
  /// The peer sends `text`, and the owner receives it.
  void receive(const Pair& pair, const std::string& text) {
    const std::string before = world_.data_of(pair.id);
    world_.peer_send(pair.peer, text);
    ASSERT_TRUE(world_.until([&] { return world_.data_of(pair.id) == before + text; }));
  }
  void give_back(SocketId id, std::string_view unused, ServiceHandle from = kOwner) {
    ASSERT_TRUE(world_.server->give_back(from, id, Block::copy_of(unused)).has_value());
  }
  void done(SocketId id, ServiceHandle from = kOwner) {
    ASSERT_TRUE(world_.server->hand_over_done(from, id).has_value());
  }
  /// What `to` received, in order.
  std::string data_to(SocketId id, ServiceHandle to) {
    std::string all;
    for (const Event& event : world_.events) {
      const bool counts = event.id == id && event.to == to;
      if (counts && event.kind == EventKind::data) all += event.data.text();
    }
    return all;
  }
  std::string story_to(SocketId id, ServiceHandle to) {
    std::string story;
    for (const Event& event : world_.events) {
      if (event.id != id || event.to != to) continue;
      story += "OADCEUWH"[static_cast<std::size_t>(event.kind)];
    }
    return story;
  }

  World<Sys> world_;
};
TYPED_TEST_SUITE(HandoverOn, TestKernels, KernelNames);

TYPED_TEST(HandoverOn, TheNextOwnerGetsWhatWasGivenBackThenWhatCameMeanwhile) {
  auto& world = this->world_;
  const auto pair = world.connection();
  world.peer_send(pair.peer, "abcdef");
  ASSERT_TRUE(world.until([&] { return world.data_of(pair.id) == "abcdef"; }));
  this->hand_over(pair.id);
  world.peer_send(pair.peer, "ghi");
  this->give_back(pair.id, "cd");
  this->give_back(pair.id, "");
  this->give_back(pair.id, "ef");
  this->done(pair.id);
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::handed_over);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  EXPECT_TRUE(world.until([&] { return this->data_to(pair.id, kOther) == "cdefghi"; }));
  EXPECT_EQ(this->story_to(pair.id, kOther), "ODDD");
  EXPECT_EQ(this->story_to(pair.id, kOwner), "ODH");
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(HandoverOn, AStartThatComesFirstWaitsForTheOldOwner) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->receive(pair, "back");
  this->hand_over(pair.id);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  world.settle();
  EXPECT_EQ(this->story_to(pair.id, kOther), "");
  EXPECT_EQ(world.server->state(pair.id), State::handing_over_started);
  ASSERT_TRUE(world.server->start(kOther + 1, pair.id).has_value());
  const Event* busy = world.wait_for(EventKind::error, pair.id);
  ASSERT_NE(busy, nullptr);
  EXPECT_EQ(busy->data.text(), "socket is being handed over");
  this->give_back(pair.id, "back");
  this->done(pair.id);
  EXPECT_TRUE(world.until([&] { return this->data_to(pair.id, kOther) == "back"; }));
  EXPECT_EQ(this->story_to(pair.id, kOther), "OD");
}

TYPED_TEST(HandoverOn, AFinMeanwhileIsToldToTheNextOwnerAfterItsData) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->receive(pair, "first ");
  this->hand_over(pair.id);
  world.peer_send(pair.peer, "last");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  world.settle();
  this->give_back(pair.id, "first ");
  this->done(pair.id);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(this->data_to(pair.id, kOther), "first last");
  EXPECT_EQ(this->story_to(pair.id, kOther), "ODDC");
  EXPECT_EQ(this->story_to(pair.id, kOwner), "ODH");
  EXPECT_TRUE(world.send(pair.id, "reply"));
  EXPECT_EQ(world.peer_read(pair.peer, 5).text, "reply");
}

TYPED_TEST(HandoverOn, AFinThatTheOldOwnerHeardIsToldToTheNextOneToo) {
  auto& world = this->world_;
  const auto pair = world.connection();
  world.peer_send(pair.peer, "all");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  this->hand_over(pair.id);
  this->give_back(pair.id, "all");
  this->done(pair.id);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  EXPECT_TRUE(world.until([&] { return this->story_to(pair.id, kOther) == "ODC"; }));
  EXPECT_EQ(this->data_to(pair.id, kOther), "all");
  EXPECT_EQ(this->story_to(pair.id, kOwner), "ODCH");
}

TYPED_TEST(HandoverOn, OutputOfBothOwnersLeavesInOrder) {
  auto& world = this->world_;
  const auto pair = world.connection();
  const std::string large(8'000'000, 'o');
  ASSERT_TRUE(world.send(pair.id, large));
  this->hand_over(pair.id);
  ASSERT_TRUE(world.send(pair.id, "meanwhile"));
  this->done(pair.id);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  ASSERT_TRUE(world.send(pair.id, "after"));
  const std::string got = world.peer_read(pair.peer, large.size() + 14).text;
  EXPECT_EQ(got.substr(large.size()), "meanwhileafter");
}

TYPED_TEST(HandoverOn, AnOwnerThatEndsInTheMiddleHasGivenBackWhatItGave) {
  auto& world = this->world_;
  for (const bool started : {false, true}) {
    SCOPED_TRACE(started ? "the next owner waits" : "nobody waits yet");
    const auto pair = world.connection();
    this->receive(pair, "given ");
    this->hand_over(pair.id);
    this->give_back(pair.id, "given ");
    world.peer_send(pair.peer, "fresh");
    if (started) {
      ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
    }
    world.settle();
    world.server->owner_gone(kOwner);
    world.settle();
    if (!started) {
      ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
    }
    EXPECT_TRUE(world.until([&] { return this->data_to(pair.id, kOther) == "given fresh"; }));
    EXPECT_EQ(this->story_to(pair.id, kOther).substr(0, 1), "O");
  }
}

TYPED_TEST(HandoverOn, ANextOwnerThatEndsWhileItWaitsLeavesNothingBehind) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->receive(pair, "for nobody");
  this->hand_over(pair.id);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  world.settle();
  world.dead.insert(kOther);
  world.server->owner_gone(kOther);
  world.settle();
  this->give_back(pair.id, "for nobody");
  this->done(pair.id);
  EXPECT_TRUE(world.peer_read(pair.peer).eof);
  world.peer_close(pair.peer);
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(HandoverOn, OnlyTheOwnerCanGiveASocketUp) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->receive(pair, "not wanted");
  ASSERT_TRUE(world.server->hand_over(kOther, pair.id).has_value());
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::connected);
  this->give_back(pair.id, "not wanted");
  this->done(pair.id, kOther);
  world.settle();
  EXPECT_EQ(world.story_of(pair.id), "OD");
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(HandoverOn, NobodyButWhoGivesItUpCanSayThatItIsDone) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->receive(pair, "late");
  this->hand_over(pair.id);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  this->done(pair.id, kOther);
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::handing_over_started);
  this->give_back(pair.id, "late");
  this->done(pair.id);
  EXPECT_TRUE(world.until([&] { return this->data_to(pair.id, kOther) == "late"; }));
}

TYPED_TEST(HandoverOn, NothingIsGivenBackByOthersOrThatWasNeverReceived) {
  auto& world = this->world_;
  const auto pair = world.connection();
  this->receive(pair, "12345");
  this->hand_over(pair.id);
  this->give_back(pair.id, "false", kOther);
  this->give_back(pair.id, "123456");
  this->give_back(pair.id, "34");
  this->give_back(pair.id, "more");
  this->give_back(pair.id, "5");
  this->done(pair.id);
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  EXPECT_TRUE(world.until([&] { return this->data_to(pair.id, kOther) == "345"; }));
  world.settle();
  EXPECT_EQ(this->data_to(pair.id, kOther), "345");
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(HandoverOn, ACloseInTheMiddleFreesEverything) {
  auto& world = this->world_;
  for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
    const auto pair = world.connection();
    this->receive(pair, "never delivered");
    this->hand_over(pair.id);
    this->give_back(pair.id, "never delivered");
    world.close(pair.id, mode);
    ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
    EXPECT_TRUE(world.peer_read(pair.peer).eof);
    world.peer_close(pair.peer);
    EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
    EXPECT_EQ(world.server->counts().payloads_parked, 0U);
  }
}

/// The peer sends a counted stream; owners read it, keep what they like, and pass the socket on a
/// hundred times. Every byte must come out once and in order.
TYPED_TEST(HandoverOn, UnderTrafficNoByteIsLostOrDoubled) {
  auto& world = this->world_;
  const auto pair = world.connection();
  Prng random(20'260'727);
  std::string sent;
  std::string used;
  ServiceHandle owner = kOwner;
  std::size_t seen = 0;  // Events that were looked at.
  std::string buffer;    // Received by the owner and not used yet.
  const auto receive = [&] {
    for (; seen < world.events.size(); ++seen) {
      const Event& event = world.events[seen];
      if (event.id != pair.id || event.kind != EventKind::data) continue;
      ASSERT_EQ(event.to, owner) << "delivered to an owner that gave it up";
      buffer += event.data.text();
    }
  };
  const auto peer_sends = [&] {
    std::string piece(1 + random.below(3'000), ' ');
    for (char& byte : piece) byte = static_cast<char>(random.below(256));
    world.peer_send(pair.peer, piece);
    sent += piece;
  };
  for (int round = 0; round < 100; ++round) {
    peer_sends();
    for (std::uint64_t turns = random.below(4); turns > 0; --turns) world.server->poll(0);
    receive();
    const std::size_t use = random.below(buffer.size() + 1);
    used += buffer.substr(0, use);
    buffer.erase(0, use);
    ASSERT_TRUE(world.server->hand_over(owner, pair.id).has_value());
    const bool early = random.below(2) == 0;
    const ServiceHandle next = owner + 1;
    const auto opens = world.count(EventKind::open, pair.id);
    if (early) {
      ASSERT_TRUE(world.server->start(next, pair.id).has_value());
    }
    const auto handed = static_cast<std::size_t>(round) + 1;
    ASSERT_TRUE(world.until([&] { return world.count(EventKind::handover, pair.id) == handed; }));
    receive();
    peer_sends();
    while (!buffer.empty()) {
      const std::size_t piece = 1 + random.below(buffer.size());
      this->give_back(pair.id, std::string_view(buffer).substr(0, piece), owner);
      buffer.erase(0, piece);
    }
    this->done(pair.id, owner);
    owner = next;
    if (!early) {
      ASSERT_TRUE(world.server->start(next, pair.id).has_value());
    }
    ASSERT_TRUE(world.until([&] { return world.count(EventKind::open, pair.id) > opens; }));
  }
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  receive();
  used += buffer;
  EXPECT_EQ(used.size(), sent.size());
  EXPECT_TRUE(used == sent);
}

}  // namespace
}  // namespace skysock
