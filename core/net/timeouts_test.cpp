// Do the time-outs that a tuning or an option sets end what they should, at their time and not
// before: connect, idle, accept? And is every option told to the kernel?

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

const Endpoint kSilent = *Endpoint::from_numeric("192.0.2.7", 80);

// ---- Connect

TEST(ConnectTimeout, AConnectThatNobodyAnswersEndsInTimeAndNotBefore) {
  for (const bool by_option : {false, true}) {
    World<SimKernel> world(parse_tuning(by_option ? "" : "connect_timeout_ms=500").value());
    world.sys.set_remote(kSilent, RemoteAnswer::ignore);
    const std::size_t fds = world.sys.open_fds();
    const SocketId id = world.server->open(kOwner, "192.0.2.7", 80).value();
    world.settle();
    if (by_option) {
      ASSERT_TRUE(world.server->set_option(id, ConnectionOption::connect_timeout_ms, 500));
    }
    world.settle();
    world.pass_ms(499);
    EXPECT_EQ(world.story_of(id), "");
    world.pass_ms(1);
    EXPECT_EQ(world.story_of(id), "E");
    EXPECT_EQ(world.events.back().data.text(), "Connection timed out");
    EXPECT_EQ(world.server->state(id), State::free);
    EXPECT_EQ(world.sys.open_fds(), fds);
  }
}

TEST(ConnectTimeout, ItIncludesTheResolver) {
  World<SimKernel> world(parse_tuning("connect_timeout_ms=500").value());
  world.sys.set_host("name", {kSilent});
  world.sys.hold_answers(true);
  const SocketId id = world.server->open(kOwner, "name", 80).value();
  world.settle();
  world.pass_ms(500);
  EXPECT_EQ(world.story_of(id), "E");
  world.sys.hold_answers(false);
  world.settle();
  EXPECT_EQ(world.story_of(id), "E") << "the late answer is nobody's";
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TEST(ConnectTimeout, ItEndsWithTheConnect) {
  World<SimKernel> world(parse_tuning("connect_timeout_ms=500").value());
  for (const bool at_once : {false, true}) {
    world.sys.options().connect_at_once = at_once;
    world.listener();
    const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
    ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
    world.pass_ms(1'000);
    EXPECT_EQ(world.story_of(id), "O");
  }
}

TEST(ConnectTimeout, AConnectThatDrainsIsOneClose) {
  World<SimKernel> world(parse_tuning("connect_timeout_ms=500").value());
  world.sys.set_remote(kSilent, RemoteAnswer::ignore);
  const SocketId id = world.server->open(kOwner, "192.0.2.7", 80).value();
  ASSERT_TRUE(world.send(id, "never sent"));
  world.close(id);
  world.settle();
  world.pass_ms(500);
  EXPECT_EQ(world.story_of(id), "C");
  EXPECT_EQ(world.server->state(id), State::free);
}

// ---- Idle

template <typename Sys>
class IdleTimeoutOn : public testing::Test {};
TYPED_TEST_SUITE(IdleTimeoutOn, TestKernels, KernelNames);

TYPED_TEST(IdleTimeoutOn, ASilentConnectionIsAnErrThenOneCloseOnBothSides) {
  World<TypeParam> world(parse_tuning("idle_timeout_ms=100").value());
  const SocketId listener = world.listener();
  ASSERT_TRUE(world.server->set_option(listener, ConnectionOption::idle_timeout_ms, 10));
  const SocketId id = world.server->open(kOther, "127.0.0.1", world.port).value();
  const Event* accept = world.wait_for(EventKind::accept, listener);
  ASSERT_NE(accept, nullptr);
  const auto far = static_cast<SocketId>(accept->ud);
  ASSERT_TRUE(world.server->start(kOwner, far).has_value());
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  world.pass_ms(150);
  EXPECT_EQ(world.story_of(id), "OEC");
  EXPECT_EQ(world.story_of(far).substr(0, 1), "O");
  EXPECT_EQ(world.count(EventKind::close, far), 1U);
  EXPECT_EQ(world.server->state(listener), State::listening) << "a listener may be silent";
}

TEST(IdleTimeout, EitherDirectionCountsAsActivity) {
  for (const std::string how : {"peer sends", "direct write", "queued write"}) {
    SCOPED_TRACE(how);
    World<SimKernel> world(parse_tuning("idle_timeout_ms=100").value());
    const auto pair = world.connection();
    for (int turn = 0; turn < 5; ++turn) {
      world.pass_ms(80);
      ASSERT_EQ(world.server->state(pair.id), State::connected);
      if (how == "peer sends") {
        world.peer_send(pair.peer, "x");
      } else {
        ASSERT_TRUE(
            world.send(pair.id, "x", how == "direct write" ? Priority::high : Priority::low));
      }
      world.settle();
    }
    EXPECT_EQ(world.server->counts().direct_writes, how == "direct write" ? 5U : 0U);
    world.pass_ms(99);
    EXPECT_EQ(world.count(EventKind::close, pair.id), 0U);
    world.pass_ms(1);
    EXPECT_EQ(world.count(EventKind::error, pair.id), 1U);
    EXPECT_EQ(world.count(EventKind::close, pair.id), 1U);
    EXPECT_EQ(world.server->state(pair.id), State::free);
  }
}

/// A direct write does not wake the reactor: the moment it happened must still be known.
TEST(IdleTimeout, ADirectWriteWhileTheReactorSleepsCountsFromThatMoment) {
  World<SimKernel> world(parse_tuning("idle_timeout_ms=100").value());
  const auto pair = world.connection();
  world.settle();
  world.sys.advance_ms(90);  // The reactor sleeps all the while.
  ASSERT_EQ(world.server->send(pair.id, Block::copy_of("x")).value(), SendOutcome::written);
  world.sys.advance_ms(20);
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::connected) << "20 ms after the last byte";
  world.pass_ms(79);
  EXPECT_EQ(world.server->state(pair.id), State::connected);
  world.pass_ms(1);
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TEST(IdleTimeout, AnOptionSetsItForOneSocketAndZeroEndsIt) {
  World<SimKernel> world;
  const auto pair = world.connection();
  const auto set = [&](std::int64_t ms) {
    ASSERT_TRUE(world.server->set_option(pair.id, ConnectionOption::idle_timeout_ms, ms));
    world.settle();
  };
  set(100);
  set(0);
  world.pass_ms(200);
  EXPECT_EQ(world.server->state(pair.id), State::connected);
  set(100);
  world.pass_ms(99);
  EXPECT_EQ(world.server->state(pair.id), State::connected);
  world.pass_ms(1);
  EXPECT_EQ(world.server->state(pair.id), State::free);
}

TEST(IdleTimeout, SetBeforeTheConnectionIsUpItHoldsAfterwardsAndZeroMeansNever) {
  for (const bool at_once : {false, true}) {
    for (const std::int64_t ms : {0, 50}) {
      World<SimKernel> world(parse_tuning("idle_timeout_ms=100").value());
      world.listener();
      world.sys.set_host("name", {*Endpoint::from_numeric("127.0.0.1", world.port)});
      world.sys.options().connect_at_once = at_once;
      world.sys.hold_answers(true);
      const SocketId id = world.server->open(kOther, "name", world.port).value();
      world.settle();
      ASSERT_TRUE(world.server->set_option(id, ConnectionOption::idle_timeout_ms, ms));
      world.settle();
      world.sys.hold_answers(false);
      ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
      world.pass_ms(ms == 0 ? 300 : 50);
      EXPECT_EQ(world.server->state(id), ms == 0 ? State::connected : State::free);
    }
  }
}

TEST(IdleTimeout, AConnectThatSucceedsAtOnceHasItToo) {
  World<SimKernel> world(parse_tuning("idle_timeout_ms=100").value());
  world.listener();
  world.sys.options().connect_at_once = true;
  const SocketId id = world.server->open(kOther, "127.0.0.1", world.port).value();
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  world.pass_ms(100);
  EXPECT_EQ(world.story_of(id), "OEC");
}

TEST(IdleTimeout, ASocketThatIsStartedLateHasItFromThenOn) {
  World<SimKernel> world(parse_tuning("idle_timeout_ms=100,accept_timeout_ms=0").value());
  const auto pair = world.connection(false);
  world.pass_ms(500);
  ASSERT_EQ(world.server->state(pair.id), State::paccept) << "that is accept_timeout's business";
  ASSERT_TRUE(world.server->start(kOwner, pair.id).has_value());
  world.settle();
  EXPECT_EQ(world.server->state(pair.id), State::connected) << "it was not silent since then";
  world.pass_ms(100);
  EXPECT_EQ(world.story_of(pair.id), "OEC");
}

TEST(IdleTimeout, AHeldOrHalfClosedConnectionEndsToo) {
  World<SimKernel> world(parse_tuning("idle_timeout_ms=100").value());
  const auto held = world.connection();
  ASSERT_TRUE(world.server->hold(kOwner, held.id).has_value());
  world.pass_ms(100);
  EXPECT_EQ(world.story_of(held.id), "OEC");
  const auto half = world.connection();
  ASSERT_TRUE(world.sys.shutdown_write(half.peer).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, half.id), nullptr);
  world.pass_ms(100);
  EXPECT_EQ(world.story_of(half.id), "OCE");
  EXPECT_EQ(world.server->state(half.id), State::free);
}

// ---- Options

struct OptionCase {
  ConnectionOption option;
  SocketOption kernel;
  std::int64_t good;
  std::vector<std::int64_t> bad;
};

const std::vector<OptionCase>& kernel_options() {
  static const std::vector<OptionCase> cases = {
      {ConnectionOption::nodelay, SocketOption::nodelay, 0, {-1, 2}},
      {ConnectionOption::keepalive, SocketOption::keepalive, 0, {-1, 2}},
      {ConnectionOption::keepalive_idle_s, SocketOption::keepalive_idle_s, 77, {0, 32'768}},
      {ConnectionOption::keepalive_interval_s, SocketOption::keepalive_interval_s, 78, {0, 32'768}},
      {ConnectionOption::keepalive_count, SocketOption::keepalive_count, 79, {0, 128}},
      {ConnectionOption::send_buffer_bytes, SocketOption::send_buffer_bytes, 10'000, {0, -5}},
      {ConnectionOption::receive_buffer_bytes,
       SocketOption::receive_buffer_bytes,
       11'000,
       {0, std::int64_t{1} << 31U}},
  };
  return cases;
}

/// The simulated kernel's descriptors are numbered as Linux numbers them: the next one is known.
int next_fd(SimKernel& sys) {
  const int fd = sys.stream_socket(AF_INET).value();
  sys.close(fd);
  return fd;
}

TEST(Options, EachIsToldToTheKernelOfAConnectionThatIsUp) {
  World<SimKernel> world;
  world.listener();
  const int fd = next_fd(world.sys);
  const SocketId id = world.server->open(kOther, "127.0.0.1", world.port).value();
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  EXPECT_EQ(world.sys.option(fd, SocketOption::nodelay), 1);
  EXPECT_EQ(world.sys.option(fd, SocketOption::keepalive), 1);
  for (const OptionCase& one : kernel_options()) {
    SCOPED_TRACE(static_cast<int>(one.option));
    ASSERT_TRUE(world.server->set_option(id, one.option, one.good).has_value());
    world.settle();
    EXPECT_EQ(world.sys.option(fd, one.kernel), one.good);
  }
}

/// The first address refuses: what was set meanwhile must hold for the second one's descriptor.
TEST(Options, EachThatIsSetWhileConnectingHoldsWhicheverAddressAnswers) {
  for (const bool resolving : {true, false}) {
    World<SimKernel> world;
    const Endpoint first = *Endpoint::from_numeric("192.0.2.1", 80);
    const Endpoint second = *Endpoint::from_numeric("192.0.2.2", 80);
    world.sys.set_host("name", {first, second});
    world.sys.set_remote(first, RemoteAnswer::ignore);
    world.sys.set_remote(second, RemoteAnswer::accept);
    world.sys.hold_answers(resolving);
    const int fd = next_fd(world.sys);
    const SocketId id = world.server->open(kOther, "name", 80).value();
    world.settle();
    ASSERT_EQ(world.server->state(id), resolving ? State::resolving : State::connecting);
    for (const OptionCase& one : kernel_options()) {
      ASSERT_TRUE(world.server->set_option(id, one.option, one.good).has_value());
    }
    world.settle();
    world.sys.hold_answers(false);
    world.sys.set_remote(first, RemoteAnswer::refuse);
    const Event* open = world.wait_for(EventKind::open, id);
    ASSERT_NE(open, nullptr);
    ASSERT_EQ(open->data.text(), "192.0.2.2");
    for (const OptionCase& one : kernel_options()) {
      EXPECT_EQ(world.sys.option(fd, one.kernel), one.good) << static_cast<int>(one.option);
    }
  }
}

template <typename Sys>
class OptionsOn : public testing::Test {};
TYPED_TEST_SUITE(OptionsOn, TestKernels, KernelNames);

TYPED_TEST(OptionsOn, AValueOutOfRangeIsRefusedInTheCallerAndInAPacket) {
  World<TypeParam> world;
  const auto pair = world.connection();
  std::vector<OptionCase> cases = kernel_options();
  const SocketOption none = SocketOption::nodelay;
  cases.push_back({ConnectionOption::connect_timeout_ms, none, 0, {-1, std::int64_t{1} << 31U}});
  cases.push_back({ConnectionOption::idle_timeout_ms, none, 0, {-1, std::int64_t{1} << 31U}});
  cases.push_back({ConnectionOption::output_limit_bytes, none, 1, {0, std::int64_t{1} << 31U}});
  cases.push_back({ConnectionOption::output_limit_policy, none, 0, {-1, 2}});
  ASSERT_EQ(cases.size(), kConnectionOptionCount) << "an option has no case";
  std::uint64_t errors = 0;
  for (const OptionCase& one : cases) {
    SCOPED_TRACE(static_cast<int>(one.option));
    EXPECT_TRUE(world.server->set_option(pair.id, one.option, one.good).has_value());
    for (const std::int64_t bad : one.bad) {
      EXPECT_EQ(world.server->set_option(pair.id, one.option, bad).error(),
                std::errc::invalid_argument);
      const auto packet = encode(OptionPacket{.id = pair.id, .option = one.option, .value = bad});
      ASSERT_TRUE(world.server->inject(packet.bytes()).has_value());
      ++errors;
    }
  }
  EXPECT_TRUE(world.until([&] { return world.server->counts().decode_errors == errors; }));
  EXPECT_EQ(world.story_of(pair.id), "O");
}

TYPED_TEST(OptionsOn, WhatASocketDoesNotHaveIsSilent) {
  World<TypeParam> world;
  const SocketId udp = world.server->udp(kOwner, "127.0.0.1", 0).value();
  const PipeEnds ends = world.sys.make_pipe().value();
  world.keep(ends.read_fd);
  world.keep(ends.write_fd);
  const SocketId pipe = world.server->bind(kOwner, ends.read_fd).value();
  for (const SocketId id : {udp, pipe, SocketId{99'999}}) {
    for (const OptionCase& one : kernel_options()) {
      EXPECT_TRUE(world.server->set_option(id, one.option, one.good).has_value());
    }
  }
  world.settle();
  EXPECT_EQ(world.count(EventKind::error, udp) + world.count(EventKind::error, pipe), 0U);
  EXPECT_EQ(world.count(EventKind::error, 99'999), 0U);
}

TYPED_TEST(OptionsOn, AbortByRstResetsThePeerAndByFinDoesNot) {
  for (const bool rst : {false, true}) {
    World<TypeParam> world(parse_tuning(rst ? "abort=rst" : "abort=fin").value());
    const auto pair = world.connection();
    world.close(pair.id, CloseMode::abortive);
    ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
    const auto received = world.peer_read(pair.peer);
    EXPECT_EQ(received.eof, !rst);
    EXPECT_EQ(received.error == std::errc::connection_reset, rst);
  }
}

// ---- The resolver

TEST(Resolving, ItsErrorIsTheTextOfTheOneErr) {
  World<SimKernel> world;
  world.sys.set_host_error("nowhere", EAI_AGAIN);
  const SocketId id = world.server->open(kOwner, "nowhere", 80).value();
  const SocketId unknown = world.server->open(kOwner, "unknown", 80).value();
  ASSERT_NE(world.wait_for(EventKind::error, id), nullptr);
  EXPECT_EQ(world.events.front().data.text(), gai_strerror(EAI_AGAIN));
  const Event* error = world.wait_for(EventKind::error, unknown);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), gai_strerror(EAI_NONAME));
  world.settle();
  EXPECT_EQ(world.story_of(id), "E");
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TEST(Resolving, ACloseMeanwhileIsOneCloseAndTheAnswerIsNobodys) {
  for (const bool pending : {false, true}) {
    for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
      World<SimKernel> world;
      const Endpoint at = *Endpoint::from_numeric("192.0.2.1", 80);
      world.sys.set_host("name", {at});
      world.sys.set_remote(at, RemoteAnswer::accept);
      world.sys.hold_answers(true);
      const std::size_t fds = world.sys.open_fds();
      const SocketId id = world.server->open(kOwner, "name", 80).value();
      world.settle();
      if (pending) ASSERT_TRUE(world.send(id, "last words"));
      world.close(id, mode);
      world.settle();
      const bool drains = pending && mode == CloseMode::soft;
      EXPECT_EQ(world.server->state(id), drains ? State::resolving_draining : State::free);
      world.sys.hold_answers(false);
      ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
      EXPECT_EQ(world.story_of(id), "C");
      std::optional<SimPeer> peer = world.sys.take_remote(at);
      ASSERT_EQ(peer.has_value(), drains);
      if (drains) EXPECT_EQ(peer->read(), "last words");
      if (peer) peer->close();
      EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
      EXPECT_EQ(world.sys.open_fds(), fds);
    }
  }
}

TEST(Resolving, ACloseWhileConnectingWithoutOutputCancelsIt) {
  World<SimKernel> world;
  world.sys.set_remote(kSilent, RemoteAnswer::ignore);
  const std::size_t fds = world.sys.open_fds();
  for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
    const SocketId id = world.server->open(kOwner, "192.0.2.7", 80).value();
    world.settle();
    ASSERT_EQ(world.server->state(id), State::connecting);
    world.close(id, mode);
    ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
    world.settle();
    EXPECT_EQ(world.story_of(id), "C");
    EXPECT_EQ(world.sys.open_fds(), fds);
  }
}

}  // namespace
}  // namespace skysock
