// Does the peer of a socket that is closed see every byte and then the end, whatever it does
// meanwhile, and is what that costs bounded?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class ClosingOn : public testing::Test {};
TYPED_TEST_SUITE(ClosingOn, TestKernels, KernelNames);

TYPED_TEST(ClosingOn, LV17_APeerThatKeepsSendingSeesEveryByteThenEof) {
  World<TypeParam> world;
  const auto pair = world.connection();
  const std::string answer(3'000'000, 'a');
  ASSERT_TRUE(world.send(pair.id, answer));
  world.close(pair.id);
  // Half of what a lingering socket reads, in the middle of the answer and behind it.
  std::string got;
  for (int turn = 0; turn < 8; ++turn) {
    world.peer_send(pair.peer, std::string(64'000, 's'));
    got += world.peer_read(pair.peer, 100'000).text;
  }
  const auto rest = world.peer_read(pair.peer);
  EXPECT_EQ(got.size() + rest.text.size(), answer.size());
  EXPECT_TRUE(rest.eof) << rest.error.message();
  EXPECT_EQ(world.story_of(pair.id).substr(0, 1), "O");
  EXPECT_EQ(world.count(EventKind::data, pair.id), 0U) << "it was closed";
  EXPECT_EQ(world.count(EventKind::close, pair.id), 1U);
}

TEST(Closing, AnAbortOfASocketThatLingersTakesNothingFromItsPeer) {
  World<SimKernel> world(parse_tuning("abort=rst").value());
  world.sys.options().buffers = {.send_bytes = 4'096, .window_bytes = 4'096};
  const auto pair = world.connection();
  const std::string answer(8'192, 'a');
  ASSERT_TRUE(world.send(pair.id, answer));
  world.close(pair.id);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  ASSERT_EQ(world.server->state(pair.id), State::lingering);
  world.close(pair.id, CloseMode::abortive);
  world.pass_ms(1'001);
  EXPECT_EQ(world.server->state(pair.id), State::free);
  const auto got = world.peer_read(pair.peer);
  EXPECT_EQ(got.text.size(), answer.size());
  EXPECT_TRUE(got.eof) << got.error.message();
}

TYPED_TEST(ClosingOn, AFinFirstEndsTheLingeringBeforeItBegins) {
  World<TypeParam> world;
  const auto pair = world.connection();
  ASSERT_TRUE(world.send(pair.id, std::string(8'000'000, 'a')));
  world.close(pair.id);
  world.settle();
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::draining_eof);
  EXPECT_EQ(world.peer_read(pair.peer).text.size(), 8'000'000U);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TYPED_TEST(ClosingOn, SoManyLingerAtATimeAndTheOthersCloseAtOnce) {
  World<TypeParam> world(parse_tuning("linger_sockets=2").value());
  const SocketId listener = world.listener();
  std::vector<SocketId> ids;
  std::vector<int> peers;
  for (std::size_t count = 1; count <= 4; ++count) {
    peers.push_back(world.client());
    ASSERT_TRUE(world.until([&] { return world.count(EventKind::accept, listener) == count; }));
    ids.push_back(static_cast<SocketId>(world.events.back().ud));
    ASSERT_TRUE(world.server->start(kOwner, ids.back()).has_value());
    ASSERT_NE(world.wait_for(EventKind::open, ids.back()), nullptr);
  }
  const auto lingering = [&] {
    return std::ranges::count_if(
        ids, [&](SocketId id) { return world.server->state(id) == State::lingering; });
  };
  for (std::size_t at = 0; at < 3; ++at) world.close(ids[at]);
  ASSERT_NE(world.wait_for(EventKind::close, ids[2]), nullptr);
  EXPECT_EQ(lingering(), 2);
  EXPECT_EQ(world.server->state(ids[2]), State::free);
  world.peer_close(peers[0]);
  ASSERT_TRUE(world.until([&] { return lingering() == 1; }));
  world.close(ids[3]);
  ASSERT_NE(world.wait_for(EventKind::close, ids[3]), nullptr);
  EXPECT_EQ(lingering(), 2) << "there was room again";
}

TYPED_TEST(ClosingOn, WithZeroBytesToReadNothingLingers) {
  World<TypeParam> world(parse_tuning("linger_bytes=0").value());
  const auto pair = world.connection();
  world.close(pair.id);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TYPED_TEST(ClosingOn, ALingeringIdIsGoneForItsOwner) {
  World<TypeParam> world;
  const auto pair = world.connection();
  world.close(pair.id);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  ASSERT_EQ(world.server->state(pair.id), State::lingering);
  EXPECT_FALSE(world.send(pair.id, "x"));
  EXPECT_TRUE(world.server->start(kOwner, pair.id).has_value());
  const Event* error = world.wait_for(EventKind::error, pair.id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "invalid socket");
  world.close(pair.id);
  world.close(pair.id, CloseMode::abortive);
  world.peer_send(pair.peer, "dropped");
  world.settle();
  EXPECT_EQ(world.story_of(pair.id), "OCE");
  EXPECT_EQ(world.server->state(pair.id), State::lingering);
}

TYPED_TEST(ClosingOn, AResetBeforeTheStartIsFoundByIt) {
  World<TypeParam> world;
  const auto pair = world.connection(false);
  world.peer_reset(pair.peer);
  world.settle();
  EXPECT_EQ(world.story_of(pair.id), "") << "nothing is told before start";
  EXPECT_TRUE(world.server->start(kOther, pair.id).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.story_of(pair.id), "OEC");
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TYPED_TEST(ClosingOn, AFinBeforeTheStartIsFoundByItAfterTheData) {
  World<TypeParam> world;
  const auto pair = world.connection(false);
  world.peer_send(pair.peer, "early");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  world.settle();
  EXPECT_TRUE(world.server->start(kOther, pair.id).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.story_of(pair.id), "ODC");
}

TYPED_TEST(ClosingOn, AnAbortiveCloseStillDeliversWhatTheKernelTook) {
  World<TypeParam> world;
  const auto pair = world.connection();
  ASSERT_TRUE(world.send(pair.id, "taken", Priority::low));
  world.close(pair.id, CloseMode::abortive);
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text, "taken") << "one attempt to send comes first";
  EXPECT_TRUE(received.eof);
  EXPECT_EQ(world.story_of(pair.id), "OC");
}

TYPED_TEST(ClosingOn, TheEndOfAServiceClosesWhatItOwnsSoftlyAndNothingElse) {
  World<TypeParam> world;
  const auto pair = world.connection();
  const SocketId other = world.server->open(kOther, "127.0.0.1", world.port).value();
  ASSERT_NE(world.wait_for(EventKind::open, other), nullptr);
  ASSERT_TRUE(world.until([&] { return world.count(EventKind::accept, pair.listener) == 2; }));
  SocketId unstarted = 0;
  for (const Event& event : world.events) {
    if (event.kind == EventKind::accept) unstarted = static_cast<SocketId>(event.ud);
  }
  ASSERT_TRUE(world.send(pair.id, "last words"));
  world.server->owner_gone(kOwner);
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text, "last words");
  EXPECT_TRUE(received.eof);
  EXPECT_EQ(world.server->state(pair.listener), State::free);
  EXPECT_EQ(world.server->state(unstarted), State::free) << "LV19: its owner will never start it";
  EXPECT_NE(world.server->state(other), State::free);
}

/// One attempt to send takes so many messages in two writes: the first is answered with RST, and
/// the second one fails.
TYPED_TEST(ClosingOn, AfterAFinAWriteToADeadPeerIsAnErrorAndTheSlotIsFreeByItself) {
  World<TypeParam> world;
  // As much as Linux takes.
  if constexpr (std::is_same_v<TypeParam, SimKernel>) {
    world.sys.options().buffers = {.send_bytes = 300'000, .window_bytes = 300'000};
  }
  const auto pair = world.connection();
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  ASSERT_EQ(world.server->state(pair.id), State::halfclose_read);
  world.peer_close(pair.peer);
  bool write_failed = false;
  world.server->observe({.context = &write_failed, .on_step = [](void* seen, const Step& step) {
                           if (step.rule.input != Input::write_failed) return;
                           *static_cast<bool*>(seen) = step.rule.from == State::halfclose_read;
                         }});
  for (int count = 0; count < 100; ++count) {
    ASSERT_TRUE(world.send(pair.id, std::string(2'000, 'x')));
  }
  const Event* error = world.wait_for(EventKind::error, pair.id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Broken pipe");
  EXPECT_EQ(error->to, kOwner);
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
  EXPECT_TRUE(write_failed) << "it ended otherwise: the test proves nothing";
  world.settle();
  EXPECT_EQ(world.story_of(pair.id), "OCE") << "no second CLOSE";
  EXPECT_EQ(world.info_of(pair.id).id, 0);
  EXPECT_EQ(world.server->counts().slots_used, 1U) << "the listener";
}

}  // namespace
}  // namespace skysock
