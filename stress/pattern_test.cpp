// Is every byte a function of (seed, connection, offset) alone, and does verifying see any change
// of it? Leaves out the ledger, which decides what a difference means.

#include "stress/pattern.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace skysock::stress {
namespace {

std::vector<std::byte> filled(const Pattern& pattern, std::uint64_t offset, std::size_t size) {
  std::vector<std::byte> bytes(size);
  pattern.fill(offset, bytes);
  return bytes;
}

TEST(Pattern, FillAgreesWithByteAtForEveryAlignmentAndLength) {
  const Pattern pattern(7, 3);
  for (std::uint64_t offset = 0; offset < 17; ++offset) {
    for (std::size_t size = 0; size < 33; ++size) {
      const auto bytes = filled(pattern, offset, size);
      for (std::size_t i = 0; i < size; ++i) {
        ASSERT_EQ(std::to_integer<std::uint8_t>(bytes[i]), pattern.byte_at(offset + i));
      }
    }
  }
}

TEST(Pattern, OffsetsPastFourGigabytesAreDistinctFromTheirLowBits) {
  const Pattern pattern(7, 3);
  EXPECT_NE(filled(pattern, 5, 32), filled(pattern, (1ULL << 32U) + 5, 32));
}

TEST(Pattern, SeedAndConnectionEachChangeTheStream) {
  const auto base = filled(Pattern(1, 2), 0, 64);
  EXPECT_EQ(base, filled(Pattern(1, 2), 0, 64));
  EXPECT_NE(base, filled(Pattern(2, 2), 0, 64));
  EXPECT_NE(base, filled(Pattern(1, 3), 0, 64));
  EXPECT_NE(base, filled(Pattern(2, 1), 0, 64));
}

TEST(Pattern, RightBytesShowNoDifferenceWhereverTheyAreCut) {
  const Pattern pattern(11, 1ULL << 40U);
  const auto bytes = filled(pattern, 0, 200);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::span<const std::byte> all(bytes);
    EXPECT_FALSE(pattern.first_difference(0, all.first(cut)).has_value());
    EXPECT_FALSE(pattern.first_difference(cut, all.subspan(cut)).has_value());
  }
}

TEST(Pattern, EveryFlippedBitIsFoundAtItsIndex) {
  const Pattern pattern(11, 5);
  for (std::size_t index = 0; index < 40; ++index) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      auto bytes = filled(pattern, 3, 40);
      bytes[index] ^= std::byte{1} << bit;
      ASSERT_EQ(pattern.first_difference(3, bytes), index);
    }
  }
}

TEST(Pattern, DataShiftedByAnyDistanceIsSeen) {
  const Pattern pattern(11, 5);
  for (std::uint64_t shift = 1; shift <= 4096; ++shift) {
    ASSERT_TRUE(pattern.first_difference(1000, filled(pattern, 1000 + shift, 16)).has_value());
  }
}

TEST(Pattern, NoAlignedWordOccursTwiceInAStream) {
  const auto bytes = filled(Pattern(42, 42), 0, 8U * 20000U);
  std::set<std::uint64_t> words;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    ASSERT_TRUE(words.insert(word).second) << "word at offset " << at;
  }
}

}  // namespace
}  // namespace skysock::stress
