// Does the server survive every call of the kernel that fails, without losing a descriptor or a
// slot? Faults are planned on the simulated kernel.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

class SocketFaults : public testing::Test {
 protected:
  ~SocketFaults() override {
    EXPECT_EQ(world.sys.bad_fd_calls(), 0U);
    EXPECT_EQ(world.sys.faults_left(), 0U)
        << "a planned fault was not met: the test proves nothing";
  }

  void expect_gone(SocketId id, std::size_t fds_before) {
    EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
    EXPECT_EQ(world.sys.open_fds(), fds_before);
  }

  /// A connection between two owners that lost output: a write failed, and more was sent behind it.
  World<SimKernel>::Pair output_lost_between_owners() {
    const auto pair = world.connection();
    EXPECT_TRUE(world.server->hand_over(kOwner, pair.id).has_value());
    EXPECT_NE(world.wait_for(EventKind::handover, pair.id), nullptr);
    world.sys.fail_next(Call::send, EIO);
    EXPECT_TRUE(world.send(pair.id, "lost", Priority::low));
    world.settle();
    EXPECT_EQ(world.count(EventKind::error, pair.id), 0U) << "there is nobody to tell";
    EXPECT_TRUE(world.send(pair.id, "not sent either", Priority::low));
    return pair;
  }

  /// Where a datagram socket of 127.0.0.1 is bound.
  Endpoint local_of(SocketId id) {
    world.settle();
    const std::string text = world.info_of(id).local;
    const int port = std::stoi(text.substr(text.rfind(':') + 1));
    return *Endpoint::from_numeric("127.0.0.1", static_cast<std::uint16_t>(port));
  }

  World<SimKernel> world;
};

TEST(ServerFaults, EveryFailingCallOfCreateIsItsErrorAndLeavesNothing) {
  const std::pair<Call, int> faults[] = {{Call::make_event, EMFILE},
                                         {Call::make_pipe, ENFILE},
                                         {Call::epoll_create, EMFILE},
                                         {Call::epoll_add, ENOSPC},
                                         {Call::open_spare, EMFILE}};
  for (const char* tuning : {"control=ring", "control=pipe"}) {
    for (const auto& [call, code] : faults) {
      for (const std::uint64_t occurrence : {0U, 1U}) {
        SimKernel sys;
        sys.fail_next(call, code, occurrence);
        auto made = SocketServer<SimKernel>::create(sys, parse_tuning(tuning).value(), {});
        EXPECT_EQ(made.has_value(), sys.faults_left() == 1) << "a failure went unnoticed";
        if (made) continue;
        EXPECT_EQ(made.error(), errno_code(code));
        EXPECT_EQ(sys.open_fds(), 0U);
      }
    }
  }
}

/// Else the peer would take a stream with a hole for the whole.
TEST_F(SocketFaults, AWriteThatFailsBetweenTwoOwnersEndsAllOutputAndIsToldToTheNextOne) {
  const auto pair = output_lost_between_owners();
  world.peer_send(pair.peer, "input");
  world.settle();
  EXPECT_EQ(world.info_of(pair.id).queued_bytes, 0U);
  ASSERT_TRUE(world.server->hand_over_done(kOwner, pair.id).has_value());
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  world.settle();
  world.pass_ms(1'100);
  std::string told;
  for (const Event& event : world.events) {
    if (event.to == kOther) told += "OADCEUWH"[static_cast<std::size_t>(event.kind)];
  }
  EXPECT_EQ(told, "OEDC");
  EXPECT_EQ(world.data_of(pair.id), "input");
  world.close(pair.id);
  EXPECT_EQ(world.peer_read(pair.peer).text, "");
}

TEST_F(SocketFaults, AHandOverDoesNotMendAWriteThatFailedBefore) {
  const auto pair = world.connection();
  world.sys.fail_next(Call::send, EIO);
  ASSERT_TRUE(world.send(pair.id, "lost"));
  ASSERT_NE(world.wait_for(EventKind::error, pair.id), nullptr);
  ASSERT_TRUE(world.server->hand_over(kOwner, pair.id).has_value());
  ASSERT_TRUE(world.server->hand_over_done(kOwner, pair.id).has_value());
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::halfclose_write);
  EXPECT_EQ(world.story_of(pair.id), "OEHOE");
  EXPECT_FALSE(world.send(pair.id, "hole"));
  world.close(pair.id);
  EXPECT_EQ(world.peer_read(pair.peer).text, "");
}

/// The next owner, on another thread, may send as soon as it is told that the socket is its.
TEST_F(SocketFaults, NothingIsWrittenBetweenTheStartAndTheNewsThatWritingHasFailed) {
  const auto pair = output_lost_between_owners();
  ASSERT_TRUE(world.server->hand_over_done(kOwner, pair.id).has_value());
  ASSERT_TRUE(world.server->start(kOther, pair.id).has_value());
  bool sent = false;
  world.on_event = [&](const Event& event) {
    if (event.kind == EventKind::open && event.to == kOther) sent = world.send(pair.id, "hole");
  };
  world.settle();
  EXPECT_TRUE(sent) << "it was accepted, as far as anybody knew";
  EXPECT_EQ(world.server->state(pair.id), State::halfclose_write);
  world.close(pair.id);
  EXPECT_EQ(world.peer_read(pair.peer).text, "");
}

/// A close meanwhile does not wait for output that will never leave.
TEST_F(SocketFaults, ACloseAfterAWriteThatFailedBetweenTwoOwnersWaitsForNothing) {
  const auto pair = output_lost_between_owners();
  world.close(pair.id);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.peer_read(pair.peer).text, "");
}

TEST_F(SocketFaults, A29_WithoutDescriptorsAConnectionIsRefusedAndTheListenerLivesOn) {
  const SocketId listener = world.listener();
  const int refused = world.client();
  world.sys.fail_next(Call::accept, EMFILE);
  const Event* error = world.wait_for(EventKind::error, listener);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Too many open files");
  EXPECT_TRUE(world.peer_read(refused).eof) << "refused, not left in the backlog";
  EXPECT_EQ(world.count(EventKind::accept, listener), 0U);
  world.client();
  EXPECT_NE(world.wait_for(EventKind::accept, listener), nullptr);
}

TEST_F(SocketFaults, ASpareDescriptorThatCouldNotBeHadAgainIsTriedAgain) {
  const SocketId listener = world.listener();
  world.client();
  world.sys.fail_next(Call::accept, EMFILE);
  world.sys.fail_next(Call::open_spare, EMFILE);
  ASSERT_NE(world.wait_for(EventKind::error, listener), nullptr);
  const std::size_t before = world.sys.open_fds();
  world.client();
  world.sys.fail_next(Call::accept, EMFILE);
  EXPECT_TRUE(world.until([&] { return world.server->counts().refused_accepts == 2; }));
  EXPECT_EQ(world.sys.open_fds(), before + 2) << "the client's own end, and the spare";
}

TEST_F(SocketFaults, A29_AListenerThatCanNeitherAcceptNorRefuseRestsAndTriesAgain) {
  const SocketId listener = world.listener();
  world.client();
  world.client();
  world.sys.fail_next(Call::accept, EMFILE);
  world.sys.fail_next(Call::open_spare, EMFILE);  // The place of the spare one was taken.
  world.sys.fail_next(Call::accept, EMFILE, 2);   // The first is met, the second refuses one.
  world.sys.fail_next(Call::open_spare, EMFILE, 1);
  EXPECT_TRUE(world.until([&] { return world.server->state(listener) == State::accept_paused; }));
  const std::uint64_t accepts = world.sys.calls(Call::accept);
  world.settle();
  EXPECT_EQ(world.sys.calls(Call::accept), accepts) << "it spins";
  world.pass_ms(101);
  EXPECT_EQ(world.server->state(listener), State::listening);
  EXPECT_NE(world.wait_for(EventKind::accept, listener), nullptr) << "descriptors are back";
}

TEST_F(SocketFaults, A29_WhenTheSparePlaceIsTakenByOthersTheListenerRests) {
  const SocketId listener = world.listener();
  world.client();
  for (std::uint64_t turn = 0; turn < 4; ++turn) world.sys.fail_next(Call::accept, ENFILE, turn);
  EXPECT_TRUE(world.until([&] { return world.server->state(listener) == State::accept_paused; }));
  EXPECT_EQ(world.server->counts().refused_accepts, 0U) << "it is still in the backlog";
  world.pass_ms(101);
  world.pass_ms(101);
  EXPECT_NE(world.wait_for(EventKind::accept, listener), nullptr);
}

TEST(ListenerFaults, WithoutDescriptorsAnEmptyBacklogIsNoErrorAndNothingSpins) {
  for (const char* poller : {"epoll_lt", "epoll_et"}) {
    SCOPED_TRACE(poller);
    World<SimKernel> world(
        parse_tuning(std::string("accept_timeout_ms=0,poller=") + poller).value());
    const SocketId listener = world.listener();
    world.settle();
    // One more can be accepted; then accept(2) answers EMFILE whether somebody waits or not.
    world.sys.options().fd_limit = static_cast<int>(world.sys.open_fds()) + 3 + 1;
    const Endpoint at = *Endpoint::from_numeric("127.0.0.1", world.port);
    const auto first = world.sys.dial(at);
    ASSERT_NE(world.wait_for(EventKind::accept, listener), nullptr);
    EXPECT_TRUE(world.until([&] { return world.server->poll(-1) && world.sys.idle(); }));
    EXPECT_EQ(world.count(EventKind::error, listener), 0U);
    const auto second = world.sys.dial(at);
    const auto third = world.sys.dial(at);
    EXPECT_TRUE(world.until([&] { return world.server->poll(-1) && world.sys.idle(); }));
    EXPECT_TRUE(second->at_end() && third->at_end());
    EXPECT_EQ(world.count(EventKind::error, listener), 1U);
    EXPECT_EQ(world.server->counts().refused_accepts, 2U);
  }
}

TEST_F(SocketFaults, AListenerWithoutMemoryRestsAndCanBeClosed) {
  const SocketId listener = world.listener();
  world.client();
  world.sys.fail_next(Call::accept, ENOMEM);
  EXPECT_TRUE(world.until([&] { return world.server->state(listener) == State::accept_paused; }));
  world.close(listener);
  ASSERT_NE(world.wait_for(EventKind::close, listener), nullptr);
  EXPECT_EQ(world.server->state(listener), State::free);
}

TEST_F(SocketFaults, AListenerThatListensNoMoreIsAnErrorThenClose) {
  const SocketId listener = world.listener();
  const std::size_t fds = world.sys.open_fds();
  world.settle();
  world.sys.shut_listener(*Endpoint::from_numeric("127.0.0.1", world.port));
  ASSERT_NE(world.wait_for(EventKind::close, listener), nullptr) << "it spins";
  EXPECT_EQ(world.story_of(listener), "OOEC");
  expect_gone(listener, fds - 1);
}

TEST_F(SocketFaults, AnAbortedConnectionInTheBacklogDoesNotStopTheNext) {
  const SocketId listener = world.listener();
  world.client();
  world.sys.fail_next(Call::accept, ECONNABORTED);
  EXPECT_NE(world.wait_for(EventKind::accept, listener), nullptr);
  EXPECT_EQ(world.count(EventKind::error, listener), 0U);
}

TEST_F(SocketFaults, A57_AStartThatCannotRegisterIsAnErrorThenCloseAndClosesItsDescriptor) {
  const auto pair = world.connection(false);
  const std::size_t fds = world.sys.open_fds();
  world.sys.fail_next(Call::epoll_add, ENOSPC);
  EXPECT_TRUE(world.server->start(kOwner, pair.id).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.story_of(pair.id), "OEC");
  expect_gone(pair.id, fds - 1);
}

TEST_F(SocketFaults, A34_AConnectThatCannotRegisterIsOneErrorAndClosesItsDescriptor) {
  world.listener();
  const std::size_t fds = world.sys.open_fds();
  world.sys.fail_next(Call::epoll_add, ENOSPC);
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  ASSERT_NE(world.wait_for(EventKind::error, id), nullptr);
  EXPECT_EQ(world.story_of(id), "E");
  expect_gone(id, fds);
}

TEST_F(SocketFaults, EveryFailingCallOfOpenIsOneErrorWithItsText) {
  world.listener();
  const std::size_t fds = world.sys.open_fds();
  const std::pair<Call, int> faults[] = {
      {Call::stream_socket, EMFILE}, {Call::connect, ENETUNREACH}, {Call::connect, EADDRNOTAVAIL}};
  for (const auto& [call, code] : faults) {
    world.sys.fail_next(call, code);
    const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
    const Event* error = world.wait_for(EventKind::error, id);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->data.text(), errno_code(code).message());
    expect_gone(id, fds);
  }
}

TEST_F(SocketFaults, EveryFailingCallOfListenFailsInTheCallerAndKeepsNothing) {
  const std::size_t fds = world.sys.open_fds();
  const std::pair<Call, int> faults[] = {{Call::stream_socket, EMFILE},
                                         {Call::set_option, EINVAL},
                                         {Call::bind, EACCES},
                                         {Call::listen, EADDRINUSE}};
  for (const auto& [call, code] : faults) {
    world.sys.fail_next(call, code);
    const auto id = world.server->listen(kOwner, "127.0.0.1", 0);
    ASSERT_FALSE(id.has_value());
    EXPECT_EQ(id.error(), errno_code(code));
    EXPECT_EQ(world.sys.open_fds(), fds);
    EXPECT_EQ(world.server->counts().slots_used, 0U);
  }
}

TEST_F(SocketFaults, LV14_AWriteErrorCarriesTheTextOfTheCallThatFailedAndThenOneClose) {
  const auto pair = world.connection();
  world.sys.fail_next(Call::send, EPIPE);
  EXPECT_TRUE(world.send(pair.id, "lost"));
  const Event* error = world.wait_for(EventKind::error, pair.id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Broken pipe");
  EXPECT_EQ(world.server->state(pair.id), State::halfclose_write);
  world.peer_send(pair.peer, "still heard");
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id) == "still heard"; }));
  EXPECT_FALSE(world.send(pair.id, "refused"));
  world.pass_ms(1'001);
  EXPECT_EQ(world.story_of(pair.id), "OEDC") << "at the latest a second later";
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TEST_F(SocketFaults, A23_ShortAndRefusedWritesLoseNothingAndMixNothing) {
  const auto pair = world.connection();
  for (const std::size_t bytes : {1U, 0U, 2U, 0U, 0U, 3U, 1U}) world.sys.limit_next_send(bytes);
  EXPECT_TRUE(world.send(pair.id, "high-", Priority::high));
  EXPECT_TRUE(world.send(pair.id, "low-", Priority::low));
  EXPECT_TRUE(world.send(pair.id, "HIGH-", Priority::high));
  world.settle();
  EXPECT_TRUE(world.send(pair.id, "end", Priority::low));
  EXPECT_EQ(world.peer_read(pair.peer, 17).text, "high-HIGH-low-end");
}

TEST_F(SocketFaults, AReadErrorIsAnErrorThenOneClose) {
  const auto pair = world.connection();
  world.peer_send(pair.peer, "x");
  world.settle();
  world.sys.fail_next(Call::receive, ETIMEDOUT);
  EXPECT_TRUE(world.send(pair.id, "y"));
  world.peer_send(pair.peer, "z");
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.story_of(pair.id), "ODEC");
}

TEST_F(SocketFaults, AnInterruptedWaitReadOrWriteIsNoError) {
  const auto pair = world.connection();
  world.sys.fail_next(Call::epoll_wait, EINTR);
  world.sys.fail_next(Call::send, EINTR);
  EXPECT_TRUE(world.send(pair.id, "through"));
  EXPECT_EQ(world.peer_read(pair.peer, 7).text, "through");
  world.sys.fail_next(Call::receive, EINTR);
  world.peer_send(pair.peer, "back");
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id) == "back"; }));
  EXPECT_EQ(world.story_of(pair.id), "OD");
}

TEST_F(SocketFaults, AConnectThatIsNeverAnsweredCanBeClosed) {
  const Endpoint silent = *Endpoint::from_numeric("127.0.0.1", 9);
  world.sys.set_remote(silent, RemoteAnswer::ignore);
  const SocketId id = world.server->open(kOwner, "127.0.0.1", 9).value();
  world.settle();
  EXPECT_EQ(world.server->state(id), State::connecting);
  world.close(id);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_EQ(world.server->state(id), State::free);
}

TEST_F(SocketFaults, ADrainOfAConnectThatIsNeverAnsweredEndsInTime) {
  world.sys.set_remote(*Endpoint::from_numeric("127.0.0.1", 9), RemoteAnswer::ignore);
  const SocketId id = world.server->open(kOwner, "127.0.0.1", 9).value();
  EXPECT_TRUE(world.send(id, "never sent"));
  world.close(id);
  world.settle();
  EXPECT_EQ(world.server->state(id), State::connecting_draining);
  world.pass_ms(60'001);
  EXPECT_EQ(world.story_of(id), "C");
  EXPECT_EQ(world.server->state(id), State::free);
}

TEST_F(SocketFaults, AnEchoCostsOneReadOneSendAndItsShareOfAWait) {
  const auto pair = world.connection();
  world.settle();
  const auto calls = [&] {
    return world.sys.calls(Call::epoll_wait) + world.sys.calls(Call::read) +
           world.sys.calls(Call::receive) + world.sys.calls(Call::send) +
           world.sys.calls(Call::epoll_modify) + world.sys.calls(Call::write);
  };
  world.peer_send(pair.peer, "64 bytes");
  const std::uint64_t before = calls();
  world.server->poll(0);
  EXPECT_EQ(calls() - before, 2U) << "epoll_wait, recv";
  EXPECT_EQ(world.data_of(pair.id), "64 bytes");
  EXPECT_TRUE(world.send(pair.id, "64 bytes"));
  EXPECT_EQ(calls() - before, 3U) << "send";
}

TEST_F(SocketFaults, AnInterruptedReceiveOrSendOfADatagramIsNoError) {
  const SocketId id = world.server->udp_dial(kOwner, "192.0.2.1", 9).value();
  world.settle();
  SimUdpPeer peer = world.sys.udp_peer(*Endpoint::from_numeric("192.0.2.1", 9));
  world.sys.fail_next(Call::send_to, EINTR);
  world.sys.fail_next(Call::send_to, EINTR);
  ASSERT_TRUE(world.send(id, "out"));
  ASSERT_TRUE(world.until([&] { return world.server->counts().datagrams_written > 0; }));
  const auto got = peer.take();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->text, "out");
  EXPECT_EQ(world.story_of(id), "");
}

TEST_F(SocketFaults, AHeldConnectionsReadIsTriedAgainAfterAnInterruptAndItsErrorTold) {
  for (const int code : {EINTR, EIO}) {
    const auto pair = world.connection();
    ASSERT_TRUE(world.server->hold(kOwner, pair.id).has_value());
    world.settle();
    world.peer_send(pair.peer, "last");
    world.sys.fail_next(Call::receive, code);
    world.peer_reset(pair.peer);
    const Event* error = world.wait_for(EventKind::error, pair.id);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->data.text(), errno_code(code == EINTR ? ECONNRESET : EIO).message());
    EXPECT_EQ(world.data_of(pair.id), code == EINTR ? "last" : "");
  }
}

TEST(ServerFaults, ACommandThatCannotBeGivenIsItsErrorAndLeavesNothing) {
  World<SimKernel> world(parse_tuning("control=pipe,direct_write=0").value());
  if (std::getenv("SKYSOCK_TEST_TUNING") != nullptr) GTEST_SKIP() << "of the pipe only";
  auto& server = *world.server;
  auto& sys = world.sys;
  const auto pair = world.connection();
  const SocketId udp = server.udp(kOwner, "127.0.0.1", 0).value();
  world.settle();
  const auto before = server.counts();
  const std::size_t fds = sys.open_fds();
  const auto expect_failed = [&](const char* what, auto call) {
    sys.fail_next(Call::write, EIO);
    const auto answer = call();
    ASSERT_FALSE(answer.has_value()) << what;
    EXPECT_EQ(answer.error(), std::errc::io_error) << what;
    EXPECT_EQ(sys.faults_left(), 0U);
  };
  expect_failed("listen", [&] { return server.listen(kOwner, "127.0.0.1", 0); });
  expect_failed("open", [&] { return server.open(kOwner, "192.0.2.1", 1); });
  expect_failed("udp", [&] { return server.udp(kOwner, "127.0.0.1", 0); });
  expect_failed("send", [&] { return server.send(pair.id, Block::copy_of("x")); });
  expect_failed("give_back",
                [&] { return server.give_back(kOwner, pair.id, Block::copy_of("x")); });
  expect_failed("udp_connect", [&] { return server.udp_connect(udp, "127.0.0.1", 9); });
  world.settle();
  EXPECT_EQ(server.counts().slots_used, before.slots_used);
  EXPECT_EQ(server.counts().payloads_parked, 0U);
  EXPECT_EQ(sys.open_fds(), fds);
  EXPECT_EQ(world.info_of(pair.id).queued_bytes, 0U);
  EXPECT_EQ(server.send(udp, Block::copy_of("x")).error(), std::errc::destination_address_required)
      << "no change of the address is on its way";
}

TEST_F(SocketFaults, AnInterruptedReceiveOfADatagramIsMadeAgain) {
  const SocketId id = world.server->udp(kOwner, "127.0.0.1", 0).value();
  const Endpoint at = local_of(id);
  SimUdpPeer peer = world.sys.udp_peer(*Endpoint::from_numeric("192.0.2.1", 9));
  world.sys.fail_next(Call::receive_from, EINTR);
  peer.send_to(at, "in");
  EXPECT_NE(world.wait_for(EventKind::udp, id), nullptr);
  EXPECT_EQ(world.count(EventKind::error, id), 0U);
}

TEST_F(SocketFaults, AnOwnerThatIsGoneIsFoundOutByTheFirstOfManyDatagramsOrReads) {
  const SocketId udp = world.server->udp(kOwner, "127.0.0.1", 0).value();
  const Endpoint at = local_of(udp);
  const auto held = world.connection();
  ASSERT_TRUE(world.server->hold(kOwner, held.id).has_value());
  world.settle();
  world.peer_send(held.peer, std::string(100'000, 'h'));
  SimUdpPeer peer = world.sys.udp_peer(*Endpoint::from_numeric("192.0.2.1", 9));
  for (int turn = 0; turn < 3; ++turn) peer.send_to(at, "in");
  world.peer_reset(held.peer);
  world.dead.insert(kOwner);
  EXPECT_TRUE(world.until([&] {
    return world.server->state(udp) == State::free && world.server->state(held.id) == State::free;
  }));
}

TEST_F(SocketFaults, WhatIsLostBetweenOwnersWaitsForNoRoom) {
  world.sys.options().buffers = {.send_bytes = 1, .window_bytes = 1};
  const auto pair = world.connection();
  ASSERT_TRUE(world.server->hand_over(kOwner, pair.id).has_value());
  ASSERT_NE(world.wait_for(EventKind::handover, pair.id), nullptr);
  const auto is_watched = [&] {
    const auto data = static_cast<std::uint64_t>(pair.id);
    return std::ranges::count(world.sys.watched(), data, &EpollSet::Interest::data) > 0;
  };
  ASSERT_TRUE(world.send(pair.id, "does not fit"));
  world.settle();
  EXPECT_TRUE(is_watched());
  world.sys.fail_next(Call::send, EIO);
  ASSERT_TRUE(world.send(pair.id, "fails"));
  world.settle();
  EXPECT_FALSE(is_watched());
}

}  // namespace
}  // namespace skysock
