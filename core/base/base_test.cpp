// Do the small value types below everything else hold what they say: Block, ByteOrder of put and
// get, Prng, Result, CHECK?

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <type_traits>

#include "core/base/block.hpp"
#include "core/base/bytes.hpp"
#include "core/base/check.hpp"
#include "core/base/prng.hpp"
#include "core/base/result.hpp"

namespace skysock {
namespace {

// ---- Block

static_assert(!std::is_copy_constructible_v<Block> && !std::is_copy_assignable_v<Block>);
static_assert(std::is_nothrow_move_constructible_v<Block>);

TEST(Block, ADefaultBlockIsEmpty) {
  const Block block;
  EXPECT_TRUE(block.empty());
  EXPECT_EQ(block.size(), 0U);
  EXPECT_EQ(block.text(), "");
}

TEST(Block, ACopyIsIndependentOfItsSource) {
  std::string source = "some bytes";
  const Block block = Block::copy_of(source);
  source.assign(source.size(), 'x');
  EXPECT_EQ(block.text(), "some bytes");
  EXPECT_EQ(block.size(), 10U);
}

TEST(Block, EveryByteValueIsKept) {
  std::array<std::byte, 256> all{};
  for (std::size_t at = 0; at < all.size(); ++at) all[at] = static_cast<std::byte>(at);
  const Block block = Block::copy_of(std::span<const std::byte>(all));
  EXPECT_TRUE(std::equal(all.begin(), all.end(), block.bytes().begin(), block.bytes().end()));
}

TEST(Block, ACopyOfNothingIsEmpty) {
  EXPECT_TRUE(Block::copy_of(std::string_view()).empty());
  EXPECT_TRUE(Block::copy_of(std::span<const std::byte>()).empty());
  EXPECT_TRUE(Block(0).empty());
}

TEST(Block, RoomCanBeWritten) {
  Block block(3);
  std::ranges::fill(block.bytes(), std::byte{'a'});
  EXPECT_EQ(block.text(), "aaa");
}

TEST(Block, MovingLeavesAnEmptyBlock) {
  Block from = Block::copy_of("payload");
  Block to = std::move(from);
  EXPECT_EQ(to.text(), "payload");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): empty is what is promised.
  Block over = Block::copy_of("old");
  over = std::move(to);
  EXPECT_EQ(over.text(), "payload");
  EXPECT_TRUE(to.empty());  // NOLINT(bugprone-use-after-move)
}

// ---- put and get

TEST(Bytes, PutIsLittleEndianAndReturnsTheRest) {
  std::array<std::byte, 8> bytes{};
  std::span<std::byte> rest = put(std::span<std::byte>(bytes), std::uint16_t{0x0201});
  rest = put(rest, std::int32_t{0x06050403});
  EXPECT_EQ(rest.size(), 2U);
  for (std::size_t at = 0; at < 6; ++at) EXPECT_EQ(bytes[at], static_cast<std::byte>(at + 1));
  EXPECT_EQ(rest.data(), bytes.data() + 6);
}

TEST(Bytes, GetReadsAtAnyOffset) {
  std::array<std::byte, 11> bytes{};
  const auto value = std::uint64_t{0xF1E2'D3C4'B5A6'9788};
  for (std::size_t at = 0; at + sizeof value <= bytes.size(); ++at) {
    put(std::span(bytes).subspan(at), value);
    EXPECT_EQ(get<std::uint64_t>(bytes, at), value);
  }
  put(std::span<std::byte>(bytes), std::int64_t{-2});
  EXPECT_EQ(get<std::int64_t>(bytes, 0), -2);
}

TEST(BytesDeathTest, OneByteTooFewFailsTheCheck) {
  std::array<std::byte, 3> bytes{};
  EXPECT_DEATH(put(std::span<std::byte>(bytes), std::uint32_t{1}), "check failed");
  EXPECT_DEATH(get<std::uint32_t>(bytes, 0), "check failed");
  EXPECT_DEATH(get<std::uint8_t>(bytes, 3), "check failed");
  EXPECT_DEATH(get<std::uint8_t>(bytes, SIZE_MAX), "check failed");
}

// ---- Prng

TEST(Prng, TheStreamIsSplitMix64) {
  // Source: the first outputs of the reference implementation for seed 1234567.
  Prng prng(1234567);
  EXPECT_EQ(prng(), 6457827717110365317U);
  EXPECT_EQ(prng(), 3203168211198807973U);
  EXPECT_EQ(prng(), 9817491932198370423U);
}

TEST(Prng, EqualSeedsGiveEqualStreamsAndOthersDoNot) {
  Prng one(7);
  Prng same(7);
  Prng other(8);
  int differences = 0;
  for (int turn = 0; turn < 100; ++turn) {
    const std::uint64_t value = one();
    EXPECT_EQ(value, same());
    if (value != other()) ++differences;
  }
  EXPECT_EQ(differences, 100);
}

TEST(Prng, BelowReachesEveryValueAndNoOther) {
  Prng prng(1);
  std::set<std::uint64_t> seen;
  for (int turn = 0; turn < 1'000; ++turn) seen.insert(prng.below(7));
  EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(prng.below(1), 0U);
}

// ---- Result and CHECK

TEST(Result, AnErrnoComparesWithItsPortableName) {
  EXPECT_EQ(errno_code(EAGAIN), std::errc::resource_unavailable_try_again);
  const Result<int> failed = failure(std::errc::broken_pipe);
  EXPECT_EQ(failed.error(), errno_code(EPIPE));
  errno = ENOENT;
  const Result<int> last = last_errno();
  EXPECT_EQ(last.error(), std::errc::no_such_file_or_directory);
}

TEST(CheckDeathTest, AFailedCheckNamesConditionAndPlace) {
  const int two = 2;
  SKYSOCK_CHECK(two == 2);
  EXPECT_DEATH(SKYSOCK_CHECK(two == 3), "base_test.cpp:[0-9]+: check failed: two == 3");
}

}  // namespace
}  // namespace skysock
