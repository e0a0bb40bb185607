// Does a socket live its life as the rules say, on every kernel the server runs on? One server,
// polled by the test, raw sockets as peers; time limits are in socket_limits_test.cpp.

#include "core/net/socket_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

#include "core/net/control_packet.hpp"
#include "core/net/step_observer.hpp"
#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class SocketServerOn : public testing::Test {
 protected:
  World<Sys> world_;
};
TYPED_TEST_SUITE(SocketServerOn, TestKernels, KernelNames);

TYPED_TEST(SocketServerOn, ListenAnswersWithTheBoundAddressAndPort) {
  auto& world = this->world_;
  const SocketId id = world.listener(false);
  const Event& open = world.events.at(0);
  EXPECT_EQ(open.id, id);
  EXPECT_EQ(open.to, kOwner);
  EXPECT_EQ(open.data.text(), "127.0.0.1");
  EXPECT_GT(open.ud, 0);
}

TYPED_TEST(SocketServerOn, ListenOnATakenPortFailsInTheCaller) {
  auto& world = this->world_;
  world.listener();
  const auto second = world.server->listen(kOwner, "127.0.0.1", world.port);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error(), std::errc::address_in_use);
  EXPECT_EQ(world.server->counts().slots_used, 1U);
}

TYPED_TEST(SocketServerOn, NothingIsAcceptedBeforeStart) {
  auto& world = this->world_;
  const SocketId id = world.listener(false);
  world.client();
  world.settle();
  EXPECT_EQ(world.count(EventKind::accept, id), 0U);
  EXPECT_TRUE(world.server->start(kOther, id).has_value());
  const Event* accept = world.wait_for(EventKind::accept, id);
  ASSERT_NE(accept, nullptr);
  EXPECT_EQ(accept->to, kOther) << "start makes the requester the owner";
  EXPECT_THAT(std::string(accept->data.text()), testing::StartsWith("127.0.0.1:"));
  EXPECT_EQ(world.server->state(static_cast<SocketId>(accept->ud)), State::paccept);
}

TYPED_TEST(SocketServerOn, NothingIsReadBeforeStart) {
  auto& world = this->world_;
  const auto pair = world.connection(false);
  world.peer_send(pair.peer, "early");
  world.settle();
  EXPECT_EQ(world.story_of(pair.id), "");
  EXPECT_TRUE(world.server->start(kOwner, pair.id).has_value());
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id) == "early"; }));
  EXPECT_EQ(world.story_of(pair.id), "OD");
}

TYPED_TEST(SocketServerOn, BytesTravelBothWays) {
  auto& world = this->world_;
  const auto pair = world.connection();
  world.peer_send(pair.peer, "ping");
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id) == "ping"; }));
  EXPECT_TRUE(world.send(pair.id, "po"));
  EXPECT_TRUE(world.send(pair.id, "ng"));
  EXPECT_EQ(world.peer_read(pair.peer, 4).text, "pong");
}

TYPED_TEST(SocketServerOn, SeveralReadsAnswerOneLargeMessage) {
  auto& world = this->world_;
  const auto pair = world.connection();
  const std::string large(300'000, 'x');
  world.peer_send(pair.peer, large);
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id).size() == large.size(); }));
  EXPECT_EQ(world.data_of(pair.id), large);
}

TYPED_TEST(SocketServerOn, LV01_SendRightAfterOpenIsSentOnceConnected) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  const SocketId id = world.server->open(kOther, "127.0.0.1", world.port).value();
  EXPECT_TRUE(world.send(id, "first "));
  EXPECT_TRUE(world.send(id, "second"));
  const Event* accept = world.wait_for(EventKind::accept, listener);
  ASSERT_NE(accept, nullptr);
  const auto accepted = static_cast<SocketId>(accept->ud);
  EXPECT_TRUE(world.server->start(kOwner, accepted).has_value());
  EXPECT_TRUE(world.until([&] { return world.data_of(accepted) == "first second"; }));
  const Event* open = world.wait_for(EventKind::open, id);
  ASSERT_NE(open, nullptr);
  EXPECT_EQ(open->to, kOther);
  EXPECT_EQ(open->data.text(), "127.0.0.1");
}

TYPED_TEST(SocketServerOn, OpenToAClosedPortIsOneErrorAndNothingElse) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  world.close(listener);
  ASSERT_NE(world.wait_for(EventKind::close, listener), nullptr);
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  const Event* error = world.wait_for(EventKind::error, id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Connection refused");
  world.settle();
  EXPECT_EQ(world.story_of(id), "E");
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TYPED_TEST(SocketServerOn, OpenOfPortZeroOrAnOverlongHostFailsInTheCaller) {
  auto& world = this->world_;
  EXPECT_EQ(world.server->open(kOwner, "127.0.0.1", 0).error(), std::errc::invalid_argument);
  const std::string host(201, 'h');
  EXPECT_EQ(world.server->open(kOwner, host, 1).error(), std::errc::invalid_argument);
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TYPED_TEST(SocketServerOn, LV15_CloseWhileConnectingSendsWhatWasQueued) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  const SocketId id = world.server->open(kOther, "127.0.0.1", world.port).value();
  EXPECT_TRUE(world.send(id, "last words"));
  world.close(id, CloseMode::soft, kOther);
  const Event* accept = world.wait_for(EventKind::accept, listener);
  ASSERT_NE(accept, nullptr);
  const auto accepted = static_cast<SocketId>(accept->ud);
  EXPECT_TRUE(world.server->start(kOwner, accepted).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, accepted), nullptr);
  EXPECT_EQ(world.data_of(accepted), "last words");
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::close, id) == 1; }));
}

TYPED_TEST(SocketServerOn, APeersFinIsReportedOnceAndWritingGoesOn) {
  auto& world = this->world_;
  const auto pair = world.connection();
  world.peer_send(pair.peer, "bye");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.story_of(pair.id), "ODC");
  EXPECT_EQ(world.server->state(pair.id), State::halfclose_read);
  EXPECT_TRUE(world.send(pair.id, "reply"));
  EXPECT_EQ(world.peer_read(pair.peer, 5).text, "reply");
  world.close(pair.id);
  EXPECT_TRUE(world.peer_read(pair.peer).eof);
  EXPECT_EQ(world.story_of(pair.id), "ODC") << "CLOSE was already reported";
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TYPED_TEST(SocketServerOn, A07_OutputQueuedAtThePeersFinIsStillSent) {
  auto& world = this->world_;
  const auto pair = world.connection();
  const std::string reply(8'000'000, 'r');
  EXPECT_TRUE(world.send(pair.id, reply));
  world.settle();
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  world.close(pair.id);
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::draining_silent);
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text.size(), reply.size());
  EXPECT_TRUE(received.eof);
  EXPECT_EQ(world.count(EventKind::close, pair.id), 1U);
}

TYPED_TEST(SocketServerOn, SoftCloseSendsEverythingThenReportsCloseOnce) {
  auto& world = this->world_;
  const auto pair = world.connection();
  const std::string large(8'000'000, 'z');
  EXPECT_TRUE(world.send(pair.id, large));
  world.close(pair.id);
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::draining);
  EXPECT_EQ(world.count(EventKind::close, pair.id), 0U);
  EXPECT_FALSE(world.send(pair.id, "too late"));
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text, large);
  EXPECT_TRUE(received.eof);
  EXPECT_EQ(world.story_of(pair.id), "OWC");
  world.peer_close(pair.peer);
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
}

TYPED_TEST(SocketServerOn, WhatArrivesWhileDrainingIsDroppedAndAFinOnlyEndsTheReading) {
  auto& world = this->world_;
  const auto pair = world.connection();
  const std::string large(8'000'000, 'z');
  EXPECT_TRUE(world.send(pair.id, large));
  world.close(pair.id);
  world.settle();
  world.peer_send(pair.peer, "nobody hears this");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::draining_eof; }));
  EXPECT_EQ(world.story_of(pair.id), "OW");
  EXPECT_EQ(world.peer_read(pair.peer).text.size(), large.size());
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
  EXPECT_EQ(world.story_of(pair.id), "OWC");
}

TYPED_TEST(SocketServerOn, LV17_UnreadInputAtCloseDoesNotResetThePeer) {
  auto& world = this->world_;
  const auto pair = world.connection();
  EXPECT_TRUE(world.send(pair.id, "answer"));
  world.close(pair.id);
  // Both are on their way before the server looks: input that it will never read.
  world.peer_send(pair.peer, "unread");
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text, "answer");
  EXPECT_TRUE(received.eof) << received.error.message();
  EXPECT_EQ(world.server->state(pair.id), State::lingering);
  world.peer_close(pair.peer);
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
}

TYPED_TEST(SocketServerOn, A44_AbortiveCloseDoesNotWaitForAPeerThatDoesNotRead) {
  auto& world = this->world_;
  const auto pair = world.connection();
  EXPECT_TRUE(world.send(pair.id, std::string(8'000'000, 'q')));
  world.settle();
  world.close(pair.id, CloseMode::abortive);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.server->state(pair.id), State::free);
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(SocketServerOn, LV16_DataReceivedBeforeAResetComesBeforeTheError) {
  auto& world = this->world_;
  const auto pair = world.connection();
  EXPECT_TRUE(world.send(pair.id, "never read by the peer"));
  world.settle();
  world.peer_send(pair.peer, "last");
  world.peer_close(pair.peer);  // With unread input: this resets.
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.story_of(pair.id), "ODEC");
  EXPECT_EQ(world.data_of(pair.id), "last");
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TYPED_TEST(SocketServerOn, StartTransfersOwnership) {
  auto& world = this->world_;
  const auto pair = world.connection();
  EXPECT_TRUE(world.server->start(kOther, pair.id).has_value());
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::open, pair.id) == 2; }));
  EXPECT_EQ(world.events.back().to, kOther);
  EXPECT_EQ(world.events.back().data.text(), "transfer");
  world.peer_send(pair.peer, "x");
  ASSERT_NE(world.wait_for(EventKind::data, pair.id), nullptr);
  EXPECT_EQ(world.events.back().to, kOther);
}

TYPED_TEST(SocketServerOn, LV24_StartOfAStaleOrClosedIdIsAnsweredWithAnError) {
  auto& world = this->world_;
  const auto pair = world.connection();
  EXPECT_TRUE(world.server->start(kOther, 12'345'678).has_value());
  const Event* invalid = world.wait_for(EventKind::error, 12'345'678);
  ASSERT_NE(invalid, nullptr);
  EXPECT_EQ(invalid->to, kOther);
  EXPECT_EQ(invalid->data.text(), "invalid socket");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_TRUE(world.server->start(kOther, pair.id).has_value());
  const Event* closed = world.wait_for(EventKind::error, pair.id);
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->data.text(), "socket closed");
}

TYPED_TEST(SocketServerOn, ACloserWhoWaitsIsAnsweredEvenWhenItIsNotTheOwner) {
  auto& world = this->world_;
  const auto pair = world.connection();
  world.close(pair.id, CloseMode::soft, kOther, CloseAnswer::wanted);
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::close, pair.id) == 2; }));
  std::set<std::pair<ServiceHandle, std::int64_t>> heard;
  for (const Event& event : world.events) {
    if (event.kind == EventKind::close) heard.emplace(event.to, event.ud);
  }
  EXPECT_EQ(heard, (std::set<std::pair<ServiceHandle, std::int64_t>>{{kOwner, 0}, {kOther, 1}}));
}

TYPED_TEST(SocketServerOn, CloseOfAStaleIdIsSilentUnlessAnAnswerIsWanted) {
  auto& world = this->world_;
  world.close(99'999, CloseMode::soft, kOther);
  world.close(99'999, CloseMode::abortive, kOther);
  world.settle();
  EXPECT_TRUE(world.events.empty());
  world.close(99'999, CloseMode::soft, kOther, CloseAnswer::wanted);
  const Event* close = world.wait_for(EventKind::close, 99'999);
  ASSERT_NE(close, nullptr);
  EXPECT_EQ(close->ud, 1);
}

TYPED_TEST(SocketServerOn, A45_SendToAListenerOrAnUnstartedConnectionIsRefused) {
  auto& world = this->world_;
  const auto pair = world.connection(false);
  EXPECT_FALSE(world.send(pair.listener, "x"));
  EXPECT_FALSE(world.send(pair.id, "x"));
  EXPECT_FALSE(world.send(-1, "x"));
  EXPECT_FALSE(world.send(0, "x"));
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(SocketServerOn, LV01_SendsRightAfterTheStartOfAnAcceptedConnectionFollowInOrder) {
  auto& world = this->world_;
  const auto pair = world.connection(false);
  ASSERT_TRUE(world.server->start(kOwner, pair.id).has_value());
  EXPECT_TRUE(world.send(pair.id, "wel"));
  EXPECT_TRUE(world.send(pair.id, "come"));
  world.settle();
  EXPECT_TRUE(world.send(pair.id, "!"));
  EXPECT_EQ(world.peer_read(pair.peer, 8).text, "welcome!");
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(SocketServerOn, LV01_ASendBehindAStartIsFreedWhenTheConnectionIsClosedBeforeBoth) {
  auto& world = this->world_;
  const auto pair = world.connection(false);
  world.close(pair.id, CloseMode::abortive);
  ASSERT_TRUE(world.server->start(kOwner, pair.id).has_value());
  EXPECT_TRUE(world.send(pair.id, "too late"));
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::free);
  EXPECT_FALSE(world.send(pair.id, "later"));
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(SocketServerOn, LV19_AConnectionWhoseOwnerIsGoneIsClosed) {
  auto& world = this->world_;
  const auto pair = world.connection();
  world.dead.insert(kOwner);
  world.peer_send(pair.peer, "anybody?");
  const auto received = world.peer_read(pair.peer);
  EXPECT_TRUE(received.eof || received.error == std::errc::connection_reset);
  world.peer_close(pair.peer);
  EXPECT_TRUE(world.until([&] { return world.server->state(pair.id) == State::free; }));
}

TYPED_TEST(SocketServerOn, LV17_AnOwnerThatDiesWithItsCloseStillSparesThePeerAReset) {
  auto& world = this->world_;
  const auto pair = world.connection();
  EXPECT_TRUE(world.send(pair.id, "last words"));
  world.close(pair.id);
  world.dead.insert(kOwner);
  world.peer_send(pair.peer, "unread");
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text, "last words");
  EXPECT_TRUE(received.eof) << received.error.message();
  EXPECT_EQ(world.server->state(pair.id), State::lingering);
}

TYPED_TEST(SocketServerOn, LV19_AListenerWhoseOwnerIsGoneIsClosedWithWhatItAccepted) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  world.dead.insert(kOwner);
  const int peer = world.client();
  const auto received = world.peer_read(peer);
  EXPECT_TRUE(received.eof || received.error == std::errc::connection_reset);
  EXPECT_EQ(world.server->state(listener), State::free);
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TYPED_TEST(SocketServerOn, MalformedPacketsAreCountedAndTheNextOneIsDone) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  const std::string raw = std::string("Z\x03zzz", 5) + std::string("S\x02\x01\x01", 4);
  ASSERT_TRUE(world.server->inject(std::as_bytes(std::span(raw))));
  world.close(listener);
  ASSERT_NE(world.wait_for(EventKind::close, listener), nullptr);
  EXPECT_EQ(world.server->counts().decode_errors, 2U);
}

TYPED_TEST(SocketServerOn, AMadeUpTokenIsCountedAndNothingHappens) {
  auto& world = this->world_;
  const auto pair = world.connection();
  const EncodedPacket forged = encode(SendPacket{.id = pair.id, .payload = 0xDEAD'BEEF});
  ASSERT_TRUE(world.server->inject(forged.bytes()));
  const EncodedPacket adopt = encode(ListenPacket{.id = pair.id, .fd = 0xDEAD'BEEF});
  ASSERT_TRUE(world.server->inject(adopt.bytes()));
  EXPECT_TRUE(world.until([&] { return world.server->counts().stale_tokens == 2; }));
  EXPECT_EQ(world.server->state(pair.id), State::connected);
}

TYPED_TEST(SocketServerOn, WhatAnOwnerHearsIsAlreadySo) {
  auto& world = this->world_;
  std::vector<State> states;
  world.on_event = [&](const Event& event) {
    states.push_back(world.server->state(event.id));
    if (event.kind != EventKind::accept) return;
    states.push_back(world.server->state(static_cast<SocketId>(event.ud)));
  };
  const auto pair = world.connection();
  EXPECT_EQ(world.story_of(pair.listener) + world.story_of(pair.id), "OOAO");
  ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  world.close(pair.listener);
  ASSERT_NE(world.wait_for(EventKind::close, pair.listener), nullptr);
  const std::vector<State> expected = {State::plisten, State::listening, State::listening,
                                       State::paccept, State::connected, State::halfclose_read,
                                       State::free};
  EXPECT_EQ(states, expected) << "a service on another thread may act at once on what it hears";
}

TYPED_TEST(SocketServerOn, ExitEndsThePollingAfterWhatWasAskedBefore) {
  auto& world = this->world_;
  const SocketId listener = world.listener();
  world.close(listener);
  EXPECT_TRUE(world.server->exit().has_value());
  bool going_on = true;
  for (int turn = 0; turn < 100 && going_on; ++turn) going_on = world.server->poll(0);
  EXPECT_FALSE(going_on);
  EXPECT_EQ(world.count(EventKind::close, listener), 1U);
}

TYPED_TEST(SocketServerOn, DestructionClosesEveryDescriptor) {
  auto& world = this->world_;
  const auto pair = world.connection();
  world.server.reset();
  std::array<std::byte, 8> buffer;
  for (int turn = 0; turn < 1'000; ++turn) {
    const auto got = world.sys.read(pair.peer, buffer);
    if (got || got.error() != std::errc::resource_unavailable_try_again) return;
    [[maybe_unused]] const auto waited = world.sys.now_ms();
  }
  ADD_FAILURE() << "the peer still sees an open connection";
}

TYPED_TEST(SocketServerOn, AnIdThatNoSocketHasIsRefusedInTheCaller) {
  auto& server = *this->world_.server;
  const auto bad = std::errc::bad_file_descriptor;
  for (const SocketId id : {0, -1}) {
    EXPECT_EQ(server.start(kOwner, id).error(), bad);
    EXPECT_EQ(server.hold(kOwner, id).error(), bad);
    EXPECT_EQ(server.hand_over(kOwner, id).error(), bad);
    EXPECT_EQ(server.hand_over_done(kOwner, id).error(), bad);
    EXPECT_EQ(server.give_back(kOwner, id, Block::copy_of("x")).error(), bad);
    EXPECT_EQ(server.close(kOwner, id, CloseMode::soft, CloseAnswer::not_needed).error(), bad);
    EXPECT_EQ(server.set_option(id, ConnectionOption::nodelay, 1).error(), bad);
    EXPECT_EQ(server.udp_connect(id, "127.0.0.1", 1).error(), bad);
    EXPECT_EQ(server.state(id), State::free);
    EXPECT_EQ(server.protocol(id), Protocol::tcp);
  }
}

TYPED_TEST(SocketServerOn, AHostThatIsNoneIsRefusedInTheCallerByEveryCall) {
  auto& server = *this->world_.server;
  const SocketId udp = server.udp(kOwner, "127.0.0.1", 0).value();
  for (const std::string& host : {std::string(), std::string("a\0b", 3), std::string(201, 'h')}) {
    EXPECT_EQ(server.listen(kOwner, host, 0).error(), std::errc::invalid_argument);
    EXPECT_EQ(server.open(kOwner, host, 1).error(), std::errc::invalid_argument);
    EXPECT_EQ(server.udp_dial(kOwner, host, 1).error(), std::errc::invalid_argument);
    EXPECT_EQ(server.udp_connect(udp, host, 1).error(), std::errc::invalid_argument);
    if (host.empty()) continue;  // Any address of this host.
    EXPECT_EQ(server.udp(kOwner, host, 0).error(), std::errc::invalid_argument);
  }
  EXPECT_EQ(server.counts().slots_used, 1U);
}

TEST(SocketServer, AListenerMayBeNamed) {
  World<LinuxSys> world;
  const auto id = world.server->listen(kOwner, "localhost", 0, 5);
  ASSERT_TRUE(id.has_value()) << id.error().message();
  EXPECT_NE(world.wait_for(EventKind::open, *id), nullptr);
}

TYPED_TEST(SocketServerOn, WithoutASlotEveryCallThatMakesASocketIsRefusedAndKeepsNothing) {
  World<TypeParam> world(parse_tuning("slots=2").value());
  auto& server = *world.server;
  ASSERT_TRUE(server.udp(kOwner, "127.0.0.1", 0).has_value());
  ASSERT_TRUE(server.udp(kOwner, "127.0.0.1", 0).has_value());
  world.settle();
  const auto none = std::errc::too_many_files_open_in_system;
  const auto pipe = world.sys.make_pipe().value();
  world.keep(pipe.read_fd);
  world.keep(pipe.write_fd);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(server.listen(kOwner, "127.0.0.1", 0).error(), none);
    EXPECT_EQ(server.open(kOwner, "127.0.0.1", 1).error(), none);
    EXPECT_EQ(server.udp(kOwner, "", 0).error(), none);
    EXPECT_EQ(server.udp_dial(kOwner, "127.0.0.1", 1).error(), none);
    EXPECT_EQ(server.bind(kOwner, pipe.read_fd).error(), none);
  }
  EXPECT_EQ(world.sys.write(pipe.write_fd, std::as_bytes(std::span("x", 1))).value(), 1U)
      << "a borrowed descriptor stays open";
}

TYPED_TEST(SocketServerOn, TheSizesOfTheKernelsBuffersAreSetWhereTheyAreAsked) {
  World<TypeParam> world(
      parse_tuning("send_buffer_bytes=40000,receive_buffer_bytes=50000,nodelay=0,keepalive=0")
          .value());
  const SocketId listener = world.listener();
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  ASSERT_NE(world.wait_for(EventKind::accept, listener), nullptr);
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  // The accepted end is not started: what fits into the kernel is what its buffers hold.
  ASSERT_TRUE(world.send(id, std::string(3'000'000, 'b')));
  ASSERT_NE(world.wait_for(EventKind::warning, id), nullptr);
  EXPECT_GT(world.info_of(id).queued_bytes, 2'000'000U);
}

TYPED_TEST(SocketServerOn, AnObserverSeesEveryStep) {
  auto& world = this->world_;
  std::vector<Input> inputs;
  world.server->observe({.context = &inputs, .on_step = [](void* context, const Step& step) {
                           static_cast<std::vector<Input>*>(context)->push_back(step.rule.input);
                         }});
  const auto pair = world.connection();
  world.peer_send(pair.peer, "x");
  ASSERT_NE(world.wait_for(EventKind::data, pair.id), nullptr);
  EXPECT_THAT(inputs, testing::IsSupersetOf(
                          {Input::listen_ready, Input::accepted, Input::start, Input::received}));
}

TYPED_TEST(SocketServerOn, WhatIsGivenFromInsideAnEventIsDoneInTheSameOrder) {
  SocketServer<TypeParam>* server = nullptr;
  SocketId id = 0;
  bool sent = false;
  World<TypeParam> world({}, [&] {
    if (id == 0 || std::exchange(sent, true)) return;
    EXPECT_TRUE(server->send(id, Block::copy_of("direct ")).has_value());
    EXPECT_TRUE(server->send(id, Block::copy_of("low"), Priority::low).has_value());
    EXPECT_TRUE(server->netstat().size() > 1);
    server->wake();
    EXPECT_TRUE(server->close(kOwner, id, CloseMode::soft, CloseAnswer::not_needed).has_value());
  });
  server = world.server.get();
  const auto pair = world.connection();
  id = pair.id;
  world.peer_send(pair.peer, "go");
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text, "direct low");
  EXPECT_TRUE(received.eof);
}

TYPED_TEST(SocketServerOn, NetstatOfAServerThatNobodyPollsAnswersNothingInTime) {
  auto& world = this->world_;
  world.listener();
  EXPECT_TRUE(world.server->netstat(std::chrono::milliseconds(20)).empty());
  ASSERT_TRUE(world.server->exit().has_value());
  EXPECT_TRUE(world.until([&] { return !world.server->poll(0); }));
  EXPECT_TRUE(world.server->netstat().empty());
}

TYPED_TEST(SocketServerOn, ACommandThatIsLeftWhenItEndsClosesItsDescriptorAndNoBorrowedOne) {
  World<TypeParam> world;
  const auto pipe = world.sys.make_pipe().value();
  world.keep(pipe.read_fd);
  world.keep(pipe.write_fd);
  ASSERT_TRUE(world.server->listen(kOwner, "127.0.0.1", 0).has_value());
  ASSERT_TRUE(world.server->bind(kOwner, pipe.read_fd).has_value());
  world.server.reset();
  EXPECT_EQ(world.sys.write(pipe.write_fd, std::as_bytes(std::span("x", 1))).value(), 1U);
}

TYPED_TEST(SocketServerOn, OnePollFdWakesItUnlessTheChannelHasTwo) {
  auto& world = this->world_;
  const char* tuning = std::getenv("SKYSOCK_TEST_TUNING");
  const bool pipe = tuning != nullptr && std::string_view(tuning) == "control=pipe";
  EXPECT_EQ(world.server->wake_fd() < 0, pipe);
  EXPECT_GT(SocketServer<TypeParam>::slot_bytes(), 0U);
}

TYPED_TEST(SocketServerOn, NothingIsWrittenForAnEmptyMessage) {
  auto& world = this->world_;
  const auto pair = world.connection();
  EXPECT_EQ(world.server->send(pair.id, Block()).value(), SendOutcome::written);
  EXPECT_TRUE(world.server->give_back(kOwner, pair.id, Block()).has_value());
  world.close(pair.id);
  EXPECT_EQ(world.peer_read(pair.peer).text, "");
}

}  // namespace
}  // namespace skysock
