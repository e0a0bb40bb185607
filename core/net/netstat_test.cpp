// Does netstat tell the truth about a socket in every state it can be in?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class NetstatOn : public testing::Test {};
TYPED_TEST_SUITE(NetstatOn, TestKernels, KernelNames);

TYPED_TEST(NetstatOn, AConnectionShowsItsPeerItsFiguresAndItsOwner) {
  World<TypeParam> world;
  const auto pair = world.connection();
  world.peer_send(pair.peer, "12345");
  ASSERT_TRUE(world.until([&] { return world.data_of(pair.id) == "12345"; }));
  ASSERT_TRUE(world.send(pair.id, "direct"));
  ASSERT_TRUE(world.send(pair.id, "low", Priority::low));
  EXPECT_EQ(world.peer_read(pair.peer, 9).text, "directlow");
  const SocketInfo info = world.info_of(pair.id);
  EXPECT_EQ(info.owner, kOwner);
  EXPECT_EQ(info.type(), "TCP");
  EXPECT_EQ(info.state, State::connected);
  EXPECT_EQ(info.read_bytes, 5U);
  EXPECT_EQ(info.written_bytes, 9U);
  EXPECT_EQ(info.queued_bytes, 0U);
  EXPECT_GE(info.read_ms_ago, 0);
  EXPECT_GE(info.written_ms_ago, 0);
  EXPECT_TRUE(info.reading);
  EXPECT_FALSE(info.writing);
  EXPECT_EQ(info.peer, world.sys.local_endpoint(pair.peer)->text());
  EXPECT_EQ(info.local, world.sys.peer_endpoint(pair.peer)->text());
  const SocketInfo listener = world.info_of(pair.listener);
  EXPECT_EQ(listener.type(), "LISTEN");
  EXPECT_EQ(listener.read_bytes, 1U) << "connections accepted";
  EXPECT_EQ(listener.local, info.local);
  EXPECT_EQ(listener.peer, "");
}

TYPED_TEST(NetstatOn, OutputThatWaitsIsCountedAndTheKernelAskedForRoom) {
  World<TypeParam> world;
  const auto pair = world.connection();
  const std::size_t size = 12'000'000;
  ASSERT_TRUE(world.send(pair.id, std::string(size, 'q')));
  ASSERT_NE(world.wait_for(EventKind::warning, pair.id), nullptr);
  const SocketInfo info = world.info_of(pair.id);
  EXPECT_TRUE(info.writing);
  EXPECT_EQ(info.queued_bytes + info.written_bytes, size);
  EXPECT_EQ(world.server->queued_bytes(pair.id), info.queued_bytes);
  world.close(pair.id, CloseMode::abortive);
  EXPECT_TRUE(world.until([&] { return world.server->queued_bytes(pair.id) == 0; }));
  EXPECT_GT(info.queued_bytes, 0U);
}

TYPED_TEST(NetstatOn, TimesAreSinceTheLastByte) {
  World<TypeParam> world;
  const auto pair = world.connection();
  EXPECT_EQ(world.info_of(pair.id).read_ms_ago, -1);
  EXPECT_EQ(world.info_of(pair.id).written_ms_ago, -1);
  world.peer_send(pair.peer, "r");
  ASSERT_NE(world.wait_for(EventKind::data, pair.id), nullptr);
  world.pass_ms(50);
  ASSERT_TRUE(world.send(pair.id, "w"));
  const SocketInfo info = world.info_of(pair.id);
  EXPECT_GE(info.read_ms_ago, 50);
  EXPECT_LT(info.written_ms_ago, info.read_ms_ago);
}

/// Brings one socket into each state and asks there.
class NetstatStates : public testing::Test {
 protected:
  using Pair = World<SimKernel>::Pair;

  void expect(SocketId id, State state, std::string_view type, bool reading = false) {
    SCOPED_TRACE(to_text(state));
    const SocketInfo info = world.info_of(id);
    EXPECT_EQ(info.id, id) << "omitted";
    EXPECT_EQ(info.state, state);
    EXPECT_EQ(info.type(), type);
    EXPECT_EQ(info.owner, kOwner);
    EXPECT_EQ(info.reading, reading);
    seen.insert(state);
  }
  void held(SocketId id) {
    ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
    world.settle();
  }
  void closed(SocketId id) {
    world.close(id);
    world.settle();
  }
  SocketId opened(const char* host) {
    const SocketId id = world.server->open(kOwner, host, 80).value();
    world.settle();
    return id;
  }
  Pair loaded() {
    const Pair pair = world.connection();
    EXPECT_TRUE(world.send(pair.id, std::string(500'000, 'l')));
    world.settle();
    return pair;
  }
  void fin(const Pair& pair) {
    ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
    world.settle();
  }
  void write_fails(SocketId id) {
    world.sys.fail_next(Call::send, EPIPE);
    ASSERT_TRUE(world.send(id, "x"));
    world.settle();
  }
  void handed_over(SocketId id) {
    ASSERT_TRUE(world.server->hand_over(kOwner, id).has_value());
    world.settle();
  }

  World<SimKernel> world;
  std::set<State> seen;
};

TEST_F(NetstatStates, EveryStateIsListedWithItsType) {
  const Endpoint silent = *Endpoint::from_numeric("192.0.2.7", 80);
  world.sys.set_remote(silent, RemoteAnswer::ignore);
  world.sys.hold_answers(true);

  const SocketId resolving = opened("name");
  expect(resolving, State::resolving, "TCP");
  held(resolving);
  expect(resolving, State::resolving_held, "TCP");
  ASSERT_TRUE(world.send(resolving, "x"));
  closed(resolving);
  expect(resolving, State::resolving_draining, "CLOSING");

  const SocketId connecting = opened("192.0.2.7");
  expect(connecting, State::connecting, "TCP");
  held(connecting);
  expect(connecting, State::connecting_held, "TCP");
  ASSERT_TRUE(world.send(connecting, "x"));
  closed(connecting);
  expect(connecting, State::connecting_draining, "CLOSING");

  expect(world.listener(false), State::plisten, "LISTEN");
  const SocketId listener = world.listener();
  expect(listener, State::listening, "LISTEN", true);
  held(listener);
  expect(listener, State::listening_held, "LISTEN");
  const SocketId starved = world.listener();
  world.client();
  world.sys.fail_next(Call::accept, ENOMEM);
  ASSERT_TRUE(world.until([&] { return world.server->state(starved) != State::listening; }));
  expect(starved, State::accept_paused, "LISTEN");

  expect(world.connection(false).id, State::paccept, "TCP");
  const Pair plain = world.connection();
  expect(plain.id, State::connected, "TCP", true);
  held(plain.id);
  expect(plain.id, State::connected_held, "TCP");
  write_fails(plain.id);
  expect(plain.id, State::halfclose_write_held, "TCP");
  const Pair failing = world.connection();
  write_fails(failing.id);
  expect(failing.id, State::halfclose_write, "TCP", true);
  const Pair ended = world.connection();
  fin(ended);
  expect(ended.id, State::halfclose_read, "CLOSING");

  const Pair given = world.connection();
  handed_over(given.id);
  expect(given.id, State::handing_over, "TCP");
  ASSERT_TRUE(world.server->start(kOwner, given.id).has_value());
  world.settle();
  expect(given.id, State::handing_over_started, "TCP");
  const Pair passed = world.connection();
  handed_over(passed.id);
  ASSERT_TRUE(world.server->hand_over_done(kOwner, passed.id).has_value());
  world.settle();
  expect(passed.id, State::handed_over, "TCP");

  const Pair draining = loaded();
  closed(draining.id);
  expect(draining.id, State::draining, "CLOSING", true);
  fin(draining);
  expect(draining.id, State::draining_eof, "CLOSING");
  const Pair silently = loaded();
  fin(silently);
  closed(silently.id);
  expect(silently.id, State::draining_silent, "CLOSING");
  const Pair lingering = world.connection();
  closed(lingering.id);
  expect(lingering.id, State::lingering, "CLOSING", true);

  const SocketId udp = world.server->udp(kOwner, "::1", 0).value();
  world.settle();
  expect(udp, State::udp, "UDP", true);
  held(udp);
  expect(udp, State::udp_held, "UDP");
  const SocketId dialled = world.server->udp_dial(kOwner, "192.0.2.1", 9).value();
  world.settle();
  for (int turn = 0; turn < 20; ++turn) world.sys.fail_next(Call::send_to, EAGAIN);
  ASSERT_TRUE(world.send(dialled, "x"));
  world.close(dialled);
  ASSERT_TRUE(world.until([&] { return world.server->state(dialled) != State::udp; }));
  expect(dialled, State::udp_draining, "CLOSING");

  auto [fd, pipe] = world.sys.lend_pipe_reader();
  const SocketId bound = world.server->bind(kOwner, fd).value();
  world.settle();
  expect(bound, State::connected, "BIND", true);

  // What no question can meet: no socket, and those that wait for a packet behind the question.
  seen.insert({State::free, State::reserved, State::reserved_draining});
  EXPECT_EQ(seen.size(), kStateCount);
}

}  // namespace
}  // namespace skysock
