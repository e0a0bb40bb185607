// Do streams come out as the frames that were put into them, wherever they are cut, and is a frame
// above the limit refused before it is held? FlatFrames is the second implementation.

#include "lua/bindings/frame_queue.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/base/prng.hpp"
#include "lua/test/flat_frames.hpp"

namespace skysock::lua {
namespace {

using Found = FrameQueue::Found;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string frame(std::string_view payload, unsigned header_bytes = 2) {
  std::string result;
  for (unsigned shift = 8 * header_bytes; shift > 0; shift -= 8) {
    result += static_cast<char>(payload.size() >> (shift - 8));
  }
  return result.append(payload);
}

/// A FrameQueue beside its model; every pop compares.
class Pair {
 public:
  explicit Pair(FrameFormat format) : model_(format) { queue_.set_format(format); }

  void take(SocketId id, std::string_view bytes) {
    const std::size_t before = model_.items().size();
    model_.take(id, bytes);
    const std::size_t now = model_.items().size();
    const Found found = queue_.take(id, bytes_of(bytes));
    if (now == before) {
      EXPECT_EQ(found, Found::nothing);
    } else {
      EXPECT_EQ(found, now == 1 && !model_.in_frame(id) ? Found::one : Found::more);
    }
  }

  void pop() {
    const auto got = queue_.pop();
    if (model_.items().empty()) {
      EXPECT_FALSE(got.has_value());
      return;
    }
    const FlatFrames::Item expected = model_.items().front();
    model_.items().pop_front();
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->id, expected.id);
    EXPECT_EQ(got->size, expected.size);
    ASSERT_EQ(got->data == nullptr, expected.refused);
    if (expected.refused) return;
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(got->data.get()), got->size),
              expected.payload);
  }

  void pop_all() {
    while (!model_.items().empty()) pop();
    pop();
  }

  void drop(SocketId id) {
    queue_.drop(id);
    model_.drop(id);
  }

  /// Every socket may hold its first 4 KiB; beyond them at most twice what came.
  void check_held(std::size_t sockets) {
    EXPECT_LE(queue_.held_bytes(), sockets * 4'096 + 2 * model_.unfinished_bytes());
  }

 private:
  FrameQueue queue_;
  FlatFrames model_;
};

std::string stream_of(std::initializer_list<std::size_t> sizes, unsigned header_bytes) {
  std::string stream;
  char next = 'a';
  for (const std::size_t size : sizes) stream += frame(std::string(size, next++), header_bytes);
  return stream;
}

TEST(FrameQueue, StreamsCutAnywhereGiveTheSameFrames) {
  for (const unsigned header : {2U, 4U}) {
    const std::string stream = stream_of({0, 1, 2, 0, 255, 256, 3, 0}, header);
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      Pair pair({.header_bytes = header, .frame_bytes_max = 1'000});
      pair.take(7, std::string_view(stream).substr(0, cut));
      pair.take(7, std::string_view(stream).substr(cut));
      pair.pop_all();
    }
  }
}

TEST(FrameQueue, StreamsInPiecesOfOneByte) {
  for (const unsigned header : {2U, 4U}) {
    const std::string stream = stream_of({0, 5, 300, 0, 0, 1}, header);
    Pair pair({.header_bytes = header, .frame_bytes_max = 1'000});
    for (const char& byte : stream) {
      pair.take(7, {&byte, 1});
      pair.pop_all();
    }
  }
}

TEST(FrameQueue, TheLargestFrame) {
  Pair pair({});
  const std::string stream = frame(std::string(65'535, 'x'));
  pair.take(1, std::string_view(stream).substr(0, 60'000));
  pair.check_held(1);
  pair.take(1, std::string_view(stream).substr(60'000));
  pair.pop_all();
}

TEST(FrameQueue, OneFrameAndNoByteMoreIsOne) {
  FrameQueue queue;
  EXPECT_EQ(queue.take(1, {}), Found::nothing);
  EXPECT_EQ(queue.take(1, bytes_of(frame("abc"))), Found::one);
  EXPECT_TRUE(queue.pop().has_value());
  EXPECT_EQ(queue.take(1, bytes_of(frame("") + "\x01")), Found::more);
  EXPECT_TRUE(queue.pop().has_value());
  EXPECT_EQ(queue.take(2, bytes_of(frame("") + frame(""))), Found::more);
}

TEST(FrameQueue, OneFrameBehindOthersIsNotOne) {
  FrameQueue queue;
  EXPECT_EQ(queue.take(1, bytes_of(frame("first"))), Found::one);
  EXPECT_EQ(queue.take(2, bytes_of(frame("second"))), Found::more);
  EXPECT_EQ(queue.pop()->id, 1);
  EXPECT_EQ(queue.pop()->id, 2);
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(FrameQueue, LV29_AFrameAboveTheLimitIsRefusedByItsHeader) {
  for (const unsigned header : {2U, 4U}) {
    Pair pair({.header_bytes = header, .frame_bytes_max = 4});
    pair.take(1, frame("1234", header));
    pair.take(1, frame("12345", header).substr(0, header));
    pair.check_held(0);
    pair.take(1, frame("dropped", header));
    pair.take(2, frame("ok", header));
    pair.pop_all();
    pair.drop(1);
    pair.take(1, frame("new", header));
    pair.pop_all();
  }
}

TEST(FrameQueue, WholeFramesBeforeARefusalAreKept) {
  FrameQueue queue;
  queue.set_format({.header_bytes = 2, .frame_bytes_max = 4});
  EXPECT_EQ(queue.take(1, bytes_of(frame("ab") + frame("12345") + frame("c"))), Found::more);
  EXPECT_EQ(queue.pop()->size, 2U);
  const auto refusal = queue.pop();
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->data, nullptr);
  EXPECT_EQ(refusal->size, 5U);
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(FrameQueue, LV29_AHeaderReservesNoMemory) {
  Pair pair({.header_bytes = 4, .frame_bytes_max = 0xffff'ffff});
  for (SocketId id = 1; id <= 100; ++id)
    pair.take(id,
              "\xff\xff\xff\xff"
              "0123456789");
  pair.check_held(100);
  for (int piece = 0; piece < 20; ++piece) {
    pair.take(1, std::string(10'000, 'x'));
    pair.check_held(100);
  }
}

TEST(FrameQueue, ADroppedSocketLosesItsPartialFrameOnly) {
  Pair pair({});
  pair.take(1, frame("whole") + frame("partial").substr(0, 5));
  pair.take(2, frame("other").substr(0, 4));
  pair.drop(1);
  pair.take(1, frame("next"));
  pair.take(2, frame("other").substr(4));
  pair.pop_all();
}

TEST(FrameQueue, ClearForgetsAll) {
  FrameQueue queue;
  queue.take(1, bytes_of(frame("whole") + "x"));
  queue.clear();
  EXPECT_FALSE(queue.pop().has_value());
  EXPECT_EQ(queue.held_bytes(), 0U);
  EXPECT_EQ(queue.take(1, bytes_of(frame("a"))), Found::one);
}

// Splitting is iterative: frames without payload are the most that a block can hold.
TEST(FrameQueue, LV30_ABlockOfEmptyFramesIsSplit) {
  FrameQueue queue;
  const std::string zeros(200'000, '\0');
  EXPECT_EQ(queue.take(1, bytes_of(zeros)), Found::more);
  for (std::size_t count = 0; count < zeros.size() / 2; ++count) {
    ASSERT_EQ(queue.pop()->size, 0U);
  }
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(FrameQueue, RandomTrafficMatchesTheFlatModel) {
  Prng random(5);
  for (const unsigned header : {2U, 4U}) {
    Pair pair({.header_bytes = header, .frame_bytes_max = 300});
    for (int step = 0; step < 20'000; ++step) {
      const auto id = static_cast<SocketId>(1 + random.below(4));
      const std::uint64_t choice = random.below(100);
      if (choice < 70) {
        const std::size_t most = random.below(50) == 0 ? 302 : 40;
        std::string stream = frame(std::string(random.below(most), 'x'), header);
        stream += frame(std::string(random.below(8), 'y'), header);
        pair.take(id, stream.substr(random.below(10) == 0 ? random.below(3) : 0,
                                    1 + random.below(stream.size())));
      } else if (choice < 95) {
        pair.pop();
      } else {
        pair.drop(id);
      }
      pair.check_held(4);
    }
    pair.pop_all();
  }
}

}  // namespace
}  // namespace skysock::lua
