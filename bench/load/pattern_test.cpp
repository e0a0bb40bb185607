// Does the pattern tell every message, connection and offset apart, however it is cut?

#include "bench/load/pattern.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace skysock::load {
namespace {

std::vector<std::byte> pattern(const MessageKey& key, std::size_t size) {
  std::vector<std::byte> bytes(size);
  fill_pattern(key, 0, bytes);
  return bytes;
}

TEST(Pattern, CutAnywhereGivesTheSameBytes) {
  const MessageKey key{7, 3, 11};
  const auto whole = pattern(key, 40);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::vector<std::byte> parts(whole.size());
    fill_pattern(key, 0, std::span(parts).first(cut));
    fill_pattern(key, cut, std::span(parts).subspan(cut));
    ASSERT_EQ(parts, whole) << "cut at " << cut;
  }
}

TEST(Pattern, PiecesAreTheMessageAcrossTheEndOfAPeriod) {
  const MessageKey key{7, 3, 11};
  const auto whole = pattern(key, 3 * kPatternPeriod);
  for (std::size_t offset = 0; offset + kPatternPieceMax <= whole.size(); offset += 9'973) {
    const auto piece = pattern_bytes(key, offset, kPatternPieceMax);
    ASSERT_TRUE(std::ranges::equal(piece, std::span(whole).subspan(offset, piece.size())));
  }
}

TEST(Pattern, ABlockThatIsLostOrMovedIsSeen) {
  const MessageKey key{7, 3, 11};
  const auto whole = pattern(key, 8 * 65'536);
  for (std::size_t block = 1; block <= 4 * 65'536; block *= 2) {
    const auto shifted = std::span(whole).subspan(block, 4'096);
    EXPECT_TRUE(find_mismatch(key, 0, shifted)) << "lost " << block << " bytes";
  }
}

TEST(Pattern, SeedConnectionAndMessageEachChangeIt) {
  const auto base = pattern({1, 2, 3}, 32);
  EXPECT_NE(base, pattern({2, 2, 3}, 32));
  EXPECT_NE(base, pattern({1, 3, 3}, 32));
  EXPECT_NE(base, pattern({1, 2, 4}, 32));
}

TEST(Pattern, MismatchNamesTheFirstWrongByteOfTheMessage) {
  const MessageKey key{7, 3, 11};
  auto bytes = pattern(key, 10'000);
  EXPECT_FALSE(find_mismatch(key, 0, bytes));
  bytes[9'001] ^= std::byte{0x01};
  bytes[9'500] ^= std::byte{0x01};
  const auto found = find_mismatch(key, 5, std::span(bytes).subspan(5));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->offset, 9'001U);
  EXPECT_EQ(found->expected ^ found->received, std::byte{0x01});
}

}  // namespace
}  // namespace skysock::load
