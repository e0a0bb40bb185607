// Is queued output bounded, is its owner told how much waits, and when it is gone again?

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"
#include "core/net/write_queue.hpp"

#if !SKYSOCK_KEEPS_SMALL_BLOCKS
#include <sanitizer/allocator_interface.h>
#endif

namespace skysock {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

template <typename Sys>
class OutputLimitsOn : public testing::Test {};
TYPED_TEST_SUITE(OutputLimitsOn, TestKernels, KernelNames);

template <typename Sys>
std::vector<std::int64_t> warnings_of(const World<Sys>& world, SocketId id) {
  std::vector<std::int64_t> kib;
  for (const Event& event : world.events) {
    if (event.kind == EventKind::warning && event.id == id) kib.push_back(event.ud);
  }
  return kib;
}

TYPED_TEST(OutputLimitsOn, AReaderThatNeverReadsCostsTheLimitAndNoMore) {
  World<TypeParam> world(parse_tuning("output_limit_bytes=3000000").value());
  const auto pair = world.connection();
  const std::string piece(10'000, 'n');
  std::size_t refused = 0;
  for (int turn = 0; turn < 2'000; ++turn) {
    const auto sent = world.server->send(pair.id, Block::copy_of(piece));
    if (!sent) {
      ++refused;
      ASSERT_EQ(sent.error(), std::errc::no_buffer_space);
    }
    if (turn % 10 == 0) world.server->poll(0);
    if (turn % 100 == 0) {
      ASSERT_LE(world.info_of(pair.id).queued_bytes, 3'000'000U);
    }
  }
  EXPECT_GT(refused, 0U);
  EXPECT_EQ(world.server->counts().limited_sends, refused);
  EXPECT_GT(world.info_of(pair.id).queued_bytes, 2'990'000U) << "refused too early";
  EXPECT_EQ(world.server->state(pair.id), State::connected) << "the service decides";
  const std::size_t accepted = (2'000 - refused) * piece.size();
  EXPECT_EQ(world.peer_read(pair.peer, accepted).text.size(), accepted);
  EXPECT_TRUE(world.send(pair.id, piece)) << "there is room again";
}

/// What this process has of malloc() at the moment. The sanitizers keep what was freed: they know.
std::int64_t allocated_bytes() {
#if SKYSOCK_KEEPS_SMALL_BLOCKS
  const struct mallinfo2 now = mallinfo2();
  return static_cast<std::int64_t>(now.uordblks + now.hblkhd);
#else
  return static_cast<std::int64_t>(__sanitizer_get_current_allocated_bytes());
#endif
}

TYPED_TEST(OutputLimitsOn, MessagesOfOneByteCostLittleMoreThanTheirBytes) {
  for (const Priority priority : {Priority::high, Priority::low}) {
    World<TypeParam> world(parse_tuning("output_limit_bytes=8000000").value());
    const auto pair = world.connection();
    ASSERT_TRUE(world.send(pair.id, std::string(5'000'000, 'f')));  // More than the kernel takes.
    world.settle();
    const std::int64_t before = allocated_bytes();
    std::size_t accepted = 0;
    while (accepted < 30'000 && world.send(pair.id, "x", priority)) {
      if (++accepted % 1'000 == 0) world.server->poll(0);
    }
    world.settle();
    ASSERT_EQ(accepted, 30'000U);
    const std::int64_t cost = allocated_bytes() - before;
    EXPECT_LT(cost, 8 * static_cast<std::int64_t>(accepted)) << accepted << " messages wait";
  }
}

TEST(OutputLimits, DatagramsOfNoBytesAreLimitedToo) {
  World<SimKernel> world(parse_tuning("output_limit_bytes=10000").value());
  const SocketId id = world.server->udp_dial(kOwner, "127.0.0.1", 9).value();
  world.settle();
  for (int turn = 0; turn < 1'000; ++turn) world.sys.fail_next(Call::send_to, EAGAIN);
  std::size_t accepted = 0;
  while (accepted < 1'000 && world.send(id, "")) ++accepted;
  EXPECT_EQ(accepted, 10'000 / kDatagramKeepBytes);
  EXPECT_EQ(world.info_of(id).queued_bytes, accepted * kDatagramKeepBytes);
}

TYPED_TEST(OutputLimitsOn, TheTotalIncludesWhatIsStillOnItsWayToTheReactor) {
  World<TypeParam> world(parse_tuning("direct_write=0,output_limit_bytes=100").value());
  const auto pair = world.connection();
  // Nothing is polled: all of it is in the control channel.
  EXPECT_TRUE(world.send(pair.id, std::string(60, 'a')));
  EXPECT_TRUE(world.send(pair.id, std::string(40, 'b'), Priority::low));
  EXPECT_FALSE(world.send(pair.id, "c"));
  EXPECT_FALSE(world.send(pair.id, "c", Priority::low));
  EXPECT_EQ(world.peer_read(pair.peer, 100).text.size(), 100U);
  EXPECT_TRUE(world.send(pair.id, "c"));
}

TYPED_TEST(OutputLimitsOn, WithThePolicyAbortTheConnectionIsEnded) {
  World<TypeParam> world(
      parse_tuning("output_limit_bytes=2000000,output_limit_policy=abort").value());
  const auto pair = world.connection();
  bool limited = false;
  for (int turn = 0; turn < 3'000 && !limited; ++turn) {
    limited = !world.send(pair.id, std::string(10'000, 'n'));
    world.server->poll(0);
  }
  ASSERT_TRUE(limited);
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.server->state(pair.id), State::free);
  world.settle();
  EXPECT_EQ(world.count(EventKind::close, pair.id), 1U);
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(OutputLimitsOn, ASocketMayHaveALimitOfItsOwnAndAPolicy) {
  World<TypeParam> world;
  const auto pair = world.connection();
  const auto set = [&](ConnectionOption option, std::int64_t value) {
    ASSERT_TRUE(world.server->set_option(pair.id, option, value).has_value());
    world.settle();
  };
  set(ConnectionOption::output_limit_bytes, 5);
  EXPECT_FALSE(world.send(pair.id, "123456"));
  EXPECT_TRUE(world.send(pair.id, "12345"));
  EXPECT_EQ(world.server->state(pair.id), State::connected);
  set(ConnectionOption::output_limit_policy, 1);
  EXPECT_FALSE(world.send(pair.id, "123456"));
  ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world.peer_read(pair.peer).text, "12345");
}

TYPED_TEST(OutputLimitsOn, TheLimitHoldsBeforeTheConnectionIsUp) {
  World<TypeParam> world(parse_tuning("output_limit_bytes=10").value());
  world.listener();
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  EXPECT_TRUE(world.send(id, "0123456789"));
  EXPECT_FALSE(world.send(id, "x"));
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  world.settle();
  EXPECT_TRUE(world.send(id, "x"));
}

TYPED_TEST(OutputLimitsOn, DatagramsCountToo) {
  const std::string limit = std::to_string(10 + 2 * kDatagramKeepBytes);
  World<TypeParam> world(parse_tuning("direct_write=0,output_limit_bytes=" + limit).value());
  const SocketId id = world.server->udp_dial(kOwner, "127.0.0.1", 9).value();
  EXPECT_TRUE(world.send(id, "0123456"));
  EXPECT_FALSE(world.send(id, "0123"));
  const auto to = UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", 9));
  EXPECT_EQ(world.server->send_to(id, to, Block::copy_of("0123")).error(),
            std::errc::no_buffer_space);
  EXPECT_TRUE(world.server->send_to(id, to, Block::copy_of("012")).has_value());
  world.settle();
  EXPECT_EQ(world.info_of(id).queued_bytes, 0U);
}

/// What the kernel takes does not count: the figures are exact in the simulated one.
TEST(OutputLimits, WarningsComeAtOneTwoFourAndEightMebibytesAndAtTheEnd) {
  World<SimKernel> world(parse_tuning("direct_write=0").value());
  const auto pair = world.connection();
  const std::size_t taken = 131'072;  // Two buffers of the simulated kernel.
  ASSERT_TRUE(world.send(pair.id, std::string(taken, 'k')));
  world.settle();
  ASSERT_EQ(world.info_of(pair.id).queued_bytes, 0U);
  const std::string piece(kMiB / 4, 'w');
  std::size_t queued = 0;
  const auto grow_to = [&](std::size_t bytes) {
    for (; queued < bytes; queued += piece.size()) {
      ASSERT_TRUE(world.send(pair.id, piece));
      world.settle();
    }
  };
  grow_to(kMiB - piece.size());
  EXPECT_TRUE(warnings_of(world, pair.id).empty());
  std::vector<std::int64_t> expected;
  for (const std::int64_t mib : {1, 2, 4, 8}) {
    grow_to(static_cast<std::size_t>(mib) * kMiB);
    expected.push_back(mib * 1'024);
    EXPECT_EQ(warnings_of(world, pair.id), expected);
  }
  grow_to(10 * kMiB);
  EXPECT_EQ(warnings_of(world, pair.id), expected);
  EXPECT_EQ(world.peer_read(pair.peer, taken + queued).text.size(), taken + queued);
  expected.push_back(0);
  EXPECT_EQ(warnings_of(world, pair.id), expected);
  // And the thresholds begin again.
  ASSERT_TRUE(world.send(pair.id, std::string(taken, 'k')));
  world.settle();
  queued = 0;
  grow_to(kMiB);
  expected.push_back(1'024);
  EXPECT_EQ(warnings_of(world, pair.id), expected);
}

TYPED_TEST(OutputLimitsOn, A58_AWarningIsFollowedByExactlyOneAllClear) {
  World<TypeParam> world;
  const auto pair = world.connection();
  // A buffer that the kernel lets grow would take all of the second round.
  ASSERT_TRUE(world.sys.set_option(pair.peer, SocketOption::receive_buffer_bytes, 65'536));
  const std::string large(12'000'000, 'c');
  for (int turn = 0; turn < 3; ++turn) {
    world.events.clear();
    ASSERT_TRUE(world.send(pair.id, large));
    ASSERT_NE(world.wait_for(EventKind::warning, pair.id), nullptr);
    EXPECT_EQ(world.peer_read(pair.peer, large.size()).text.size(), large.size());
    world.settle();
    const auto warnings = warnings_of(world, pair.id);
    EXPECT_GT(warnings.front(), 0);
    EXPECT_EQ(std::ranges::count(warnings, 0), 1);
    EXPECT_EQ(warnings.back(), 0);
  }
}

TYPED_TEST(OutputLimitsOn, TheWarningCountsRoundedUpKib) {
  World<TypeParam> world;
  world.listener();
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  ASSERT_TRUE(world.send(id, std::string(kMiB + 1, 'r')));
  const Event* warning = world.wait_for(EventKind::warning, id);
  ASSERT_NE(warning, nullptr);
  EXPECT_EQ(warning->ud, 1'025);
}

}  // namespace
}  // namespace skysock
