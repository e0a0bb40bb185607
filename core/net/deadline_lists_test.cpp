// Do time limits expire in order, once, and not after they were removed?

#include "core/net/deadline_lists.hpp"

#include <gtest/gtest.h>

namespace skysock {
namespace {

std::vector<std::uint32_t> expired(DeadlineLists& lists, std::int64_t now_ms) {
  std::vector<std::uint32_t> slots;
  while (const auto slot = lists.take_expired(now_ms)) slots.push_back(*slot);
  return slots;
}

TEST(DeadlineLists, ExpireInOrderAndNotBefore) {
  DeadlineLists lists(4);
  lists.add(2, Deadline::drain, 10);
  lists.add(0, Deadline::drain, 20);
  lists.add(3, Deadline::linger, 5);
  EXPECT_EQ(lists.next_ms(), 5);
  EXPECT_TRUE(expired(lists, 4).empty());
  EXPECT_EQ(expired(lists, 10), (std::vector<std::uint32_t>{2, 3}));
  EXPECT_EQ(lists.next_ms(), 20);
  EXPECT_EQ(expired(lists, 100), std::vector<std::uint32_t>{0});
  EXPECT_EQ(lists.next_ms(), std::nullopt);
}

TEST(DeadlineLists, RemovedOnesNeverExpireWhereverTheyStood) {
  for (const std::uint32_t removed : {0U, 1U, 2U}) {
    DeadlineLists lists(3);
    for (const std::uint32_t slot : {0U, 1U, 2U}) lists.add(slot, Deadline::accept, slot);
    lists.remove(removed);
    lists.remove(removed);
    EXPECT_EQ(lists.kind(removed), Deadline::none);
    const auto slots = expired(lists, 100);
    EXPECT_EQ(slots.size(), 2U);
    EXPECT_EQ(std::ranges::count(slots, removed), 0);
  }
}

}  // namespace
}  // namespace skysock
