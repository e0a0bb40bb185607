// Does the server have a defect that skynet's has or had? Second part of known_defects_test.cpp:
// output, fairness, memory of what was read.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/read_buffers.hpp"
#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"
#include "core/net/write_queue.hpp"

namespace skysock {
namespace {

template <typename Sys>
class KnownOutputDefectsOn : public testing::Test {};
TYPED_TEST_SUITE(KnownOutputDefectsOn, TestKernels, KernelNames);

/// The order of a send that races with a close: counted, then the close, then its packet.
TEST(KnownOutputDefects, LV02_ASendThatArrivesAfterTheCloseEndsTheDrain) {
  for (const bool silent : {false, true}) {
    SocketId id = 0;
    World<SimKernel>* here = nullptr;
    bool armed = false;
    World<SimKernel> world(parse_tuning("direct_write=0,linger_ms=0").value(), [&] {
      if (!std::exchange(armed, false)) return;
      // Runs before the send, whose packet is in the channel already.
      (void)here->server->close(kOwner, id, CloseMode::soft, CloseAnswer::not_needed);
    });
    here = &world;
    const auto pair = world.connection();
    id = pair.id;
    if (silent) {
      ASSERT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
      ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
    }
    const std::size_t fds = world.sys.open_fds();
    armed = true;
    ASSERT_TRUE(world.server->start(kOther, 99'999).has_value());
    ASSERT_TRUE(world.send(id, "accepted before the close was carried out"));
    EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::free; }))
        << "it drains for ever: " << to_text(world.server->state(id));
    EXPECT_EQ(world.count(EventKind::close, id), 1U);
    EXPECT_EQ(world.server->counts().dropped_sends, 1U);
    EXPECT_EQ(world.sys.open_fds(), fds - 1);
    EXPECT_EQ(world.server->counts().payloads_parked, 0U);
  }
}

/// A direct write and the flush of its rest are cut at every byte; what is queued behind must
/// neither be doubled, lost, nor put into the middle.
TEST(KnownOutputDefects, LV04_AMessageThatIsCutAnywhereArrivesOnce) {
  const std::string message = "0123456789";
  for (std::size_t first = 0; first < message.size(); ++first) {
    for (std::size_t second = 0; second < message.size() - first; ++second) {
      for (const Priority priority : {Priority::high, Priority::low}) {
        World<SimKernel> world(parse_tuning("slots=4").value());
        const auto pair = world.connection();
        world.sys.limit_next_send(first);
        world.sys.limit_next_send(second);
        ASSERT_TRUE(world.send(pair.id, message, priority));
        if (priority == Priority::low) world.server->poll(0);
        ASSERT_TRUE(world.send(pair.id, "<low>", Priority::low));
        ASSERT_TRUE(world.send(pair.id, "<high>", Priority::high));
        const std::string got = world.peer_read(pair.peer, 21).text;
        ASSERT_EQ(got.substr(0, 10), message) << "cut at " << first << " and " << second;
        ASSERT_EQ(got.substr(10), "<high><low>") << "cut at " << first << " and " << second;
        ASSERT_EQ(world.info_of(pair.id).queued_bytes, 0U);
      }
    }
  }
}

TEST(KnownOutputDefects, LV08_TheRestOfADirectWriteCountsAtOnce) {
  World<SimKernel> world(parse_tuning("output_limit_bytes=10").value());
  const auto pair = world.connection();
  world.sys.limit_next_send(4);
  ASSERT_EQ(world.server->send(pair.id, Block::copy_of("0123456789")).value(), SendOutcome::queued);
  // Nothing was polled: six bytes wait.
  EXPECT_FALSE(world.send(pair.id, "56789")) << "six and five are more than ten";
  EXPECT_TRUE(world.send(pair.id, "abcd"));
  EXPECT_EQ(world.peer_read(pair.peer, 14).text, "0123456789abcd");
}

TYPED_TEST(KnownOutputDefectsOn, LV08_TheRestOfADirectWriteAloneWarns) {
  World<TypeParam> world;
  const auto pair = world.connection();
  ASSERT_TRUE(world.send(pair.id, std::string(16'000'000, 'w')));
  const Event* warning = world.wait_for(EventKind::warning, pair.id);
  ASSERT_NE(warning, nullptr);
  EXPECT_GE(warning->ud, 1'024);
  EXPECT_LE(warning->ud, 16'000'000 / 1'024 + 1);
  EXPECT_GE(world.server->counts().direct_remainders, 1U);
  EXPECT_EQ(world.server->counts().queued_sends, 0U) << "another path warned";
}

TYPED_TEST(KnownOutputDefectsOn, LV08_OutputQueuedBeforeTheConnectionIsUpWarns) {
  World<TypeParam> world;
  world.listener();
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  ASSERT_TRUE(world.send(id, std::string(1'200'000, 'w')));
  EXPECT_NE(world.wait_for(EventKind::warning, id), nullptr);
}

TEST(KnownOutputDefects, LV08_QueuedDatagramsWarnAndTheirEndIsTold) {
  World<SimKernel> world(parse_tuning("direct_write=0").value());
  const SocketId id = world.server->udp_dial(kOwner, "192.0.2.1", 9).value();
  world.settle();
  world.sys.fail_next(Call::send_to, EAGAIN);
  for (int turn = 0; turn < 20; ++turn) ASSERT_TRUE(world.send(id, std::string(60'000, 'd')));
  const Event* warning = world.wait_for(EventKind::warning, id);
  ASSERT_NE(warning, nullptr);
  EXPECT_EQ(warning->ud, (18 * (60'000 + kDatagramKeepBytes) + 1'023) / 1'024)
      << "the first total above 1 MiB";
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::warning, id) == 2; }));
  EXPECT_EQ(world.events.back().ud, 0);
}

TYPED_TEST(KnownOutputDefectsOn, LV26_OneEventReadsSixteenTimesAtMost) {
  World<TypeParam> world(parse_tuning("read_buffer_bytes=1024,first_read_bytes=1024").value());
  const auto pair = world.connection();
  world.settle();
  world.peer_send(pair.peer, std::string(40'000, 'x'));
  ASSERT_NE(world.wait_for(EventKind::data, pair.id), nullptr);
  std::size_t most = world.count(EventKind::data, pair.id);
  while (world.data_of(pair.id).size() < 40'000) {
    const std::size_t before = world.count(EventKind::data, pair.id);
    world.server->poll(0);
    const std::size_t now = world.count(EventKind::data, pair.id);
    most = std::max(most, now - before);
    ASSERT_LE(now - before, 16U);
  }
  EXPECT_EQ(most, 16U) << "fewer: it never had so much to read; more: the others wait";
}

/// A connection whose kernel buffers more than a quarter MiB, and a server that has not looked yet.
template <typename Sys>
struct Loaded {
  Loaded() {
    if constexpr (std::is_same_v<Sys, SimKernel>) {
      world.sys.options().buffers = {.send_bytes = 500'000, .window_bytes = 500'000};
    }
    pair = world.connection();
  }
  void load() {
    const std::string piece(65'536, 'y');
    const iovec part{.iov_base = const_cast<char*>(piece.data()), .iov_len = piece.size()};
    for (;;) {
      const auto count = world.sys.send(pair.peer, std::span(&part, 1));
      if (!count) break;
      sent += *count;
    }
    ASSERT_GT(sent, 600'000U) << "the buffers are too small to prove anything";
  }
  /// Reads everything. With edges there may be two events in a poll: one for what a limit left, one
  /// for what came since.
  void expect_fair_reads() {
    std::size_t before = 0;
    std::size_t most = 0;
    for (int idle = 0; idle < 10 && before < sent;) {
      const std::uint64_t events = world.server->counts().events;
      world.server->poll(KernelTraits<Sys>::kPollMs);
      const std::size_t now = world.data_of(pair.id).size();
      const std::uint64_t turns = world.server->counts().events - events;
      ASSERT_LE(turns, 2U);
      ASSERT_LE(now - before, turns * 262'144);
      most = std::max(most, now - before);
      idle = now == before ? idle + 1 : 0;
      before = now;
    }
    EXPECT_GT(most, 200'000U) << "fewer: it never had so much to read";
  }

  World<Sys> world{parse_tuning("read_buffer_bytes=131072,reads_per_event=1000,"
                                "receive_buffer_bytes=1000000")
                       .value()};
  typename World<Sys>::Pair pair;
  std::size_t sent = 0;
};

TYPED_TEST(KnownOutputDefectsOn, LV26_OneEventReadsAQuarterMebibyteAtMost) {
  Loaded<TypeParam> loaded;
  ASSERT_NO_FATAL_FAILURE(loaded.load());
  loaded.expect_fair_reads();
  EXPECT_EQ(loaded.world.data_of(loaded.pair.id).size(), loaded.sent);
}

TYPED_TEST(KnownOutputDefectsOn, LV26_AHeldSocketThatIsResetIsReadNoFaster) {
  Loaded<TypeParam> loaded;
  World<TypeParam>& world = loaded.world;
  ASSERT_TRUE(world.server->hold(kOwner, loaded.pair.id).has_value());
  world.settle();
  ASSERT_NO_FATAL_FAILURE(loaded.load());
  world.peer_reset(loaded.pair.peer);
  loaded.expect_fair_reads();
  ASSERT_NE(world.wait_for(EventKind::close, loaded.pair.id), nullptr);
  const std::string story = world.story_of(loaded.pair.id);
  EXPECT_EQ(story.substr(story.find_last_of('D') + 1), "EC") << story;
}

/// With edges, a socket that a limit stopped is looked at again; that the kernel tells of it, too,
/// must not add one more look each time.
TEST(KnownOutputDefects, LV26_AFloodOfEdgesEarnsNoMoreTurns) {
  World<SimKernel> world(
      parse_tuning("poller=epoll_et,reads_per_event=1,first_read_bytes=64,read_buffer_bytes=64")
          .value());
  const auto pair = world.connection();
  const auto datas = [&] { return world.count(EventKind::data, pair.id); };
  constexpr std::size_t kLooksMax = 2;  // What the kernel tells, and what is looked at again.
  for (int round = 0; round < 50; ++round) {
    const std::string more(64 * 4, 'x');
    const iovec part{.iov_base = const_cast<char*>(more.data()), .iov_len = more.size()};
    ASSERT_TRUE(world.sys.send(pair.peer, std::span(&part, 1)).has_value());
    const std::size_t before = datas();
    world.server->poll(0);
    ASSERT_LE(datas() - before, kLooksMax) << "in round " << round;
  }
  EXPECT_GE(datas(), 50U);
}

/// A command that arrives between two events of a batch is carried out between them.
TEST(KnownOutputDefects, LV26_CommandsAreLookedAtBetweenEvents) {
  for (const bool between : {true, false}) {
    SocketId victim = 0;
    World<SimKernel>* here = nullptr;
    World<SimKernel> world(parse_tuning(between ? "" : "ctrl_every_event=0").value(), [&] {
      if (victim == 0 || here->events.back().kind != EventKind::data) return;
      const EncodedPacket packet =
          encode(ClosePacket{.id = victim, .requester = kOwner, .mode = CloseMode::abortive});
      EXPECT_TRUE(here->server->inject(packet.bytes()).has_value());
      victim = 0;
    });
    here = &world;
    const auto pair = world.connection();
    const int peer = world.client();
    ASSERT_TRUE(world.until([&] { return world.count(EventKind::accept, pair.listener) == 2; }));
    const auto second = static_cast<SocketId>(world.events.back().ud);
    ASSERT_TRUE(world.server->start(kOwner, second).has_value());
    ASSERT_NE(world.wait_for(EventKind::open, second), nullptr);
    world.settle();
    world.peer_send(pair.peer, "first");
    world.peer_send(peer, "second");
    victim = second;
    ASSERT_NE(world.wait_for(EventKind::close, second), nullptr);
    EXPECT_EQ(world.story_of(second), between ? "OC" : "ODC");
  }
}

TYPED_TEST(KnownOutputDefectsOn, LV28_ADatagramForAStreamIsRefused) {
  World<TypeParam> world;
  const auto pair = world.connection();
  const auto to = UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", 9));
  for (const SocketId id : {pair.id, pair.listener}) {
    const auto sent = world.server->send_to(id, to, Block::copy_of("datagram"));
    ASSERT_FALSE(sent.has_value());
  }
  EXPECT_EQ(world.server->send_to(pair.id, to, Block::copy_of("d")).error(),
            std::errc::operation_not_supported);
  ASSERT_TRUE(world.send(pair.id, "stream"));
  EXPECT_EQ(world.peer_read(pair.peer, 6).text, "stream");
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

/// Where nothing can be written, being asked to write must not make the poller report for ever.
TYPED_TEST(KnownOutputDefectsOn, LV28_ArmingWriteWhereNothingCanBeWrittenIsIgnored) {
  World<TypeParam> world;
  const auto pair = world.connection(false);
  const SocketId plisten = world.listener(false);
  const SocketId idle = world.server->open(kOwner, "127.0.0.1", world.port).value();
  const SocketId udp = world.server->udp(kOwner, "", 0).value();
  ASSERT_NE(world.wait_for(EventKind::open, idle), nullptr);
  for (const SocketId id : {pair.listener, pair.id, plisten, idle, udp}) {
    ASSERT_TRUE(world.server->inject(encode(ArmWritePacket{.id = id}).bytes()).has_value());
    world.settle();
    const std::uint64_t wakeups = world.server->counts().wakeups;
    world.settle();
    EXPECT_EQ(world.server->counts().wakeups, wakeups)
        << to_text(world.server->state(id)) << " spins";
    EXPECT_FALSE(world.info_of(id).writing);
  }
}

TEST(KnownOutputDefects, LV28_ArmingWriteAfterAWriteErrorIsIgnored) {
  World<SimKernel> world;
  const auto pair = world.connection();
  world.sys.fail_next(Call::send, EPIPE);
  ASSERT_TRUE(world.send(pair.id, "lost"));
  ASSERT_NE(world.wait_for(EventKind::error, pair.id), nullptr);
  ASSERT_EQ(world.server->state(pair.id), State::halfclose_write);
  ASSERT_TRUE(world.server->inject(encode(ArmWritePacket{.id = pair.id}).bytes()).has_value());
  world.settle();
  const std::uint64_t wakeups = world.server->counts().wakeups;
  world.settle();
  EXPECT_EQ(world.server->counts().wakeups, wakeups) << "it spins";
  EXPECT_EQ(world.story_of(pair.id), "OE");
}

TEST(KnownOutputDefects, LV32_ARefusedConnectTriesTheNextAddress) {
  World<SimKernel> world;
  const Endpoint refuses = *Endpoint::from_numeric("192.0.2.1", 80);
  const Endpoint ignores = *Endpoint::from_numeric("192.0.2.2", 80);
  const Endpoint accepts = *Endpoint::from_numeric("192.0.2.3", 80);
  world.sys.set_host("several", {refuses, ignores, accepts});
  world.sys.set_remote(ignores, RemoteAnswer::ignore);
  world.sys.set_remote(accepts, RemoteAnswer::accept);
  const std::size_t fds = world.sys.open_fds();
  const SocketId id = world.server->open(kOwner, "several", 80).value();
  ASSERT_TRUE(world.send(id, "hello"));
  ASSERT_TRUE(world.until([&] { return world.server->state(id) == State::connecting; }));
  world.settle();
  EXPECT_EQ(world.story_of(id), "") << "the first refusal is not the answer";
  world.sys.set_remote(ignores, RemoteAnswer::refuse);
  const Event* open = world.wait_for(EventKind::open, id);
  ASSERT_NE(open, nullptr);
  EXPECT_EQ(open->data.text(), "192.0.2.3");
  world.settle();
  EXPECT_EQ(world.story_of(id), "O");
  EXPECT_EQ(world.sys.take_remote(accepts)->read(), "hello");
  EXPECT_EQ(world.sys.open_fds(), fds + 1) << "those that failed are closed";
}

TEST(KnownOutputDefects, LV32_WhenEveryAddressFailsTheLastErrorIsTheAnswer) {
  World<SimKernel> world;
  world.sys.set_host("nobody", {*Endpoint::from_numeric("192.0.2.1", 80),
                                *Endpoint::from_numeric("192.0.2.2", 80)});
  const std::size_t fds = world.sys.open_fds();
  const SocketId id = world.server->open(kOwner, "nobody", 80).value();
  const Event* error = world.wait_for(EventKind::error, id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Connection refused");
  world.settle();
  EXPECT_EQ(world.story_of(id), "E");
  EXPECT_EQ(world.sys.open_fds(), fds);
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TEST(KnownOutputDefects, LV32_APayloadUnderAQuarterOfItsBlockMovesToAFittingOne) {
  ReadBuffers buffers(4'096, 65'536);
  const std::byte* before = buffers.room(65'536).data();
  EXPECT_NE(buffers.take(65'536, 65'536 / 4 - 1).bytes().data(), before);
  EXPECT_EQ(buffers.room(65'536).data(), before) << "the block is used again";
  const Block quarter = buffers.take(65'536, 65'536 / 4);
  EXPECT_EQ(quarter.bytes().data(), before) << "a quarter may stay";
  EXPECT_NE(buffers.room(65'536).data(), before) << "it belongs to the receiver now";
}

}  // namespace
}  // namespace skysock
