// Does the receive buffer behave as one flat byte string, wherever the block boundaries lie? It
// leaves out Lua: unpack_test.cpp has the functions on top.

#include "lua/bindings/receive_buffer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/base/prng.hpp"

namespace skysock::lua {
namespace {

std::string take(ReceiveBuffer& buffer, std::size_t count) {
  std::string bytes(count, '\0');
  buffer.copy_to(bytes.data(), count);
  buffer.drop(count);
  return bytes;
}

void push_in_pieces(ReceiveBuffer& buffer, std::string_view text, std::size_t piece) {
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    buffer.push(Block::copy_of(text.substr(0, piece)));
  }
}

TEST(ReceiveBuffer, SeparatorCutAnywhereIsFound) {
  const std::string text = "ab\r\n\r\r\n\r\ncd";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    ReceiveBuffer buffer;
    push_in_pieces(buffer, text, piece);
    EXPECT_EQ(buffer.find("\r\n\r\n"), text.find("\r\n\r\n")) << "pieces of " << piece;
  }
}

TEST(ReceiveBuffer, SeparatorLongerThanEverythingBufferedIsNotFound) {
  ReceiveBuffer buffer;
  buffer.push(Block::copy_of(std::string_view("a")));
  EXPECT_EQ(buffer.find("abcdef"), std::nullopt);
  EXPECT_EQ(buffer.scanned(), 0U);
}

TEST(ReceiveBuffer, SeparatorThatOverlapsItselfIsFound) {
  ReceiveBuffer buffer;
  push_in_pieces(buffer, "aaab", 1);
  EXPECT_EQ(buffer.find("aab"), 1U);
}

TEST(ReceiveBuffer, AnotherSeparatorIsSearchedFromTheFront) {
  ReceiveBuffer buffer;
  push_in_pieces(buffer, "one two", 2);
  EXPECT_EQ(buffer.find("\n"), std::nullopt);
  EXPECT_EQ(buffer.find(" "), 3U);
}

TEST(ReceiveBuffer, DropOfPartOfABlockKeepsItsTail) {
  ReceiveBuffer buffer;
  buffer.push(Block::copy_of(std::string_view("abcdef")));
  EXPECT_EQ(take(buffer, 2), "ab");
  EXPECT_EQ(buffer.size(), 4U);
  EXPECT_EQ(std::string_view(buffer.contiguous(4), 4), "cdef");
}

TEST(ReceiveBuffer, ClearedBufferIsAsNew) {
  ReceiveBuffer buffer;
  push_in_pieces(buffer, "abcdef", 4);
  buffer.drop(1);
  buffer.clear();
  EXPECT_EQ(buffer.size(), 0U);
  push_in_pieces(buffer, "xy\n", 1);
  EXPECT_EQ(buffer.find("\n"), 2U);
  EXPECT_EQ(take(buffer, 3), "xy\n");
}

TEST(ReceiveBuffer, TakenBlocksAreWhatIsLeftOfEach) {
  ReceiveBuffer buffer;
  push_in_pieces(buffer, "abcdefg", 3);
  buffer.drop(2);
  EXPECT_EQ(buffer.take_block().text(), "c");
  EXPECT_EQ(buffer.take_block().text(), "def");
  EXPECT_EQ(buffer.size(), 1U);
  EXPECT_EQ(buffer.find("g"), 0U);
  EXPECT_EQ(buffer.take_block().text(), "g");
  push_in_pieces(buffer, "xy", 1);
  EXPECT_EQ(take(buffer, 2), "xy");
}

TEST(ReceiveBuffer, ContiguousIsRefusedAcrossBlocks) {
  ReceiveBuffer buffer;
  push_in_pieces(buffer, "abcd", 2);
  EXPECT_NE(buffer.contiguous(2), nullptr);
  EXPECT_EQ(buffer.contiguous(3), nullptr);
}

// A line that comes byte by byte: each byte is looked at once. Quadratic work at this size would
// take minutes, and the test's time limit is one.
TEST(ReceiveBuffer, LongLineOfOneByteBlocksIsSearchedOnce) {
  constexpr std::size_t kBytes = 300'000;
  ReceiveBuffer buffer;
  for (std::size_t i = 0; i < kBytes; ++i) {
    buffer.push(Block::copy_of(std::string_view("x")));
    ASSERT_EQ(buffer.find("\r\n"), std::nullopt);
    ASSERT_EQ(buffer.scanned(), i + 1);
  }
  push_in_pieces(buffer, "\r\n", 1);
  EXPECT_EQ(buffer.find("\r\n"), kBytes);
}

/// The flat string and the buffer, under the same operations.
class Twins {
 public:
  explicit Twins(std::uint64_t seed) : random_(seed) {}

  void step() {
    switch (random_.below(9)) {
      case 0:
        take_both(random_.below(flat_.size() + 1));
        break;
      case 1:
        if (random_.below(20) == 0) clear_both();
        break;
      case 2:
      case 3:
        find_both();
        break;
      case 4:
        take_block();
        break;
      default:
        push_both();
    }
    ASSERT_EQ(buffer_.size(), flat_.size());
  }

 private:
  void push_both() {
    std::string text(random_.below(3) == 0 ? random_.below(20) : 1, '\0');
    for (char& c : text) c = "ab\r\n"[random_.below(4)];
    flat_ += text;
    buffer_.push(Block::copy_of(text));
  }

  void take_both(std::size_t count) {
    ASSERT_EQ(take(buffer_, count), flat_.substr(0, count));
    flat_.erase(0, count);
  }

  void take_block() {
    if (flat_.empty()) return;
    const Block block = buffer_.take_block();
    ASSERT_FALSE(block.empty());
    ASSERT_EQ(block.text(), flat_.substr(0, block.size()));
    flat_.erase(0, block.size());
  }

  void find_both() {
    static constexpr std::string_view kSeparators[] = {"\n", "\r\n", "\r\n\r\n", "aab", "abababab"};
    const std::string_view separator = kSeparators[random_.below(std::size(kSeparators))];
    const std::size_t expected = flat_.find(separator);
    const auto found = buffer_.find(separator);
    ASSERT_EQ(found.value_or(std::string::npos), expected);
    if (found) return take_both(*found + separator.size());
    ASSERT_LE(buffer_.scanned(), flat_.size());
    ASSERT_LT(flat_.size() - buffer_.scanned(), separator.size());
  }

  void clear_both() {
    flat_.clear();
    buffer_.clear();
  }

  Prng random_;
  std::string flat_;
  ReceiveBuffer buffer_;
};

TEST(ReceiveBuffer, RandomOperationsAgreeWithAFlatString) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Twins twins(seed);
    for (int i = 0; i < 1000; ++i) {
      twins.step();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace skysock::lua
