// Does the write queue keep every byte, the order of each priority, and messages in one piece?

#include "core/net/write_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <string>

#include "core/base/prng.hpp"

namespace skysock {
namespace {

/// Takes up to `count` bytes out, as a kernel that accepts that many would.
std::string drain(WriteQueue& queue, std::size_t count) {
  std::string taken;
  std::array<iovec, 4> parts;
  for (const iovec& part : queue.gather(parts)) {
    const std::size_t size = std::min(part.iov_len, count - taken.size());
    taken.append(static_cast<const char*>(part.iov_base), size);
  }
  queue.consume(taken.size());
  return taken;
}

std::string drain_all(WriteQueue& queue) {
  std::string all;
  while (!queue.empty()) all += drain(queue, 1 << 20);
  return all;
}

TEST(WriteQueue, HighIsSentBeforeLowAndEachInItsOrder) {
  WriteQueue queue;
  queue.push(Block::copy_of("first"), Priority::high);
  queue.push(Block::copy_of("-low1"), Priority::low);
  queue.push(Block::copy_of("-low2"), Priority::low);
  queue.push(Block::copy_of("-high"), Priority::high);
  EXPECT_EQ(queue.bytes(), 20U);
  EXPECT_EQ(drain_all(queue), "first-high-low1-low2");
}

TEST(WriteQueue, TheFirstMessageOfAnIdleConnectionIsHigh) {
  WriteQueue queue;
  queue.push(Block::copy_of("low"), Priority::low);
  queue.push(Block::copy_of("-high"), Priority::high);
  EXPECT_EQ(drain_all(queue), "low-high");
}

TEST(WriteQueue, PartialWriteResumesAtTheUnsentByte) {
  WriteQueue queue;
  queue.push(Block::copy_of("abcdef"), Priority::high);
  EXPECT_EQ(drain(queue, 2), "ab");
  EXPECT_EQ(queue.bytes(), 4U);
  EXPECT_EQ(drain_all(queue), "cdef");
}

TEST(WriteQueue, NothingIsPutIntoTheMiddleOfALowMessage) {
  WriteQueue queue;
  queue.push(Block::copy_of("H"), Priority::high);
  queue.push(Block::copy_of("lowlow"), Priority::low);
  EXPECT_EQ(drain(queue, 3), "Hlo");
  queue.push(Block::copy_of("!"), Priority::high);
  EXPECT_EQ(drain_all(queue), "wlow!");
}

TEST(WriteQueue, EmptyPayloadsLeaveNoTrace) {
  WriteQueue queue;
  queue.push(Block(), Priority::high);
  EXPECT_TRUE(queue.empty());
}

TEST(WriteQueue, ClearFreesEverythingAndTheQueueWorksOn) {
  WriteQueue queue;
  queue.push(Block::copy_of("abc"), Priority::high);
  drain(queue, 1);
  queue.clear();
  EXPECT_TRUE(queue.empty());
  queue.push(Block::copy_of("xyz"), Priority::low);
  EXPECT_EQ(drain_all(queue), "xyz");
}

/// The same promises, written down as slowly and plainly as possible.
struct Model {
  std::deque<std::string> high;
  std::deque<std::string> low;

  void push(const std::string& text, Priority priority) {
    (priority == Priority::high || (high.empty() && low.empty()) ? high : low).push_back(text);
  }
  std::string take(std::size_t count) {
    std::string taken;
    while (count > 0) {
      std::deque<std::string>& from = high.empty() ? low : high;
      if (from.empty()) break;
      taken += from.front()[0];
      from.front().erase(0, 1);
      --count;
      const std::string rest = from.front();
      if (rest.empty()) {
        from.pop_front();
      } else if (&from == &low) {
        low.pop_front();
        high.push_front(rest);
      }
    }
    return taken;
  }
};

TEST(WriteQueue, RandomPushesAndPartialWritesMatchTheModel) {
  Prng random(20'261'121);
  WriteQueue queue;
  Model model;
  std::size_t compared = 0;
  for (int turn = 0; turn < 20'000; ++turn) {
    if (random.below(2) == 0) {
      // Most share a block, some are too large for it.
      const std::size_t size =
          random.below(50) == 0 ? 1 + random.below(6'000) : 1 + random.below(9);
      const std::string text(size, static_cast<char>('a' + random.below(26)));
      const Priority priority = random.below(2) == 0 ? Priority::high : Priority::low;
      queue.push(Block::copy_of(text), priority);
      model.push(text, priority);
    } else if (!queue.empty()) {
      const std::size_t size =
          random.below(20) == 0 ? 1 + random.below(9'000) : 1 + random.below(12);
      const std::string taken = drain(queue, size);
      ASSERT_EQ(taken, model.take(taken.size()));
      compared += taken.size();
    }
  }
  EXPECT_GT(compared, 10'000U);
}

TEST(WriteQueue, WhatIsPutInFrontIsSentFirstWhereverTheQueueStands) {
  WriteQueue queue;
  queue.push_front(Block());
  EXPECT_TRUE(queue.empty());
  queue.push(Block::copy_of("b"), Priority::high);
  queue.push(Block::copy_of("c"), Priority::high);
  queue.push_front(Block::copy_of("a"));
  EXPECT_EQ(drain(queue, 1), "a");
  queue.push_front(Block::copy_of("A"));
  EXPECT_EQ(queue.bytes(), 3U);
  EXPECT_EQ(drain_all(queue), "Abc");
}

TEST(WriteQueue, SmallMessagesShareBlocks) {
  for (const Priority priority : {Priority::high, Priority::low}) {
    WriteQueue queue;
    queue.push(Block::copy_of("!"), Priority::high);
    for (int message = 0; message < 40'000; ++message) queue.push(Block::copy_of("x"), priority);
    std::array<iovec, 64> parts;
    EXPECT_LE(queue.gather(parts).size(), 12U) << "blocks for 40,000 messages";
    EXPECT_EQ(drain_all(queue), "!" + std::string(40'000, 'x'));
  }
}

}  // namespace
}  // namespace skysock
