// Are ids legal, unique while in use, and late to return? Do tokens name a value exactly once?

#include "core/net/slot_table.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

#include "core/net/shared_slot.hpp"
#include "core/net/token_table.hpp"

namespace skysock {
namespace {

TEST(SlotTable, IdsAreLegalAndDistinct) {
  SlotTable table(16);
  std::set<SocketId> ids;
  for (int turn = 0; turn < 16; ++turn) ids.insert(table.reserve(1).value());
  EXPECT_EQ(ids.size(), 16U);
  EXPECT_GT(*ids.begin(), 0);
  EXPECT_EQ(table.used(), 16U);
}

TEST(SlotTable, AFullTableReservesNothingUntilASlotIsReleased) {
  SlotTable table(2);
  const SocketId first = table.reserve(1).value();
  table.reserve(1).value();
  EXPECT_FALSE(table.reserve(1).has_value());
  table.release(first);
  EXPECT_TRUE(table.reserve(1).has_value());
}

TEST(SlotTable, AStaleIdIsFreeWhateverItsSlotHoldsNow) {
  SlotTable table(2);
  const SocketId stale = table.reserve(1).value();
  table.release(stale);
  std::vector<SocketId> now = {table.reserve(1).value(), table.reserve(1).value()};
  EXPECT_EQ(table.state(stale), State::free);
  for (const SocketId id : now) EXPECT_EQ(table.state(id), State::reserved);
  for (const SocketId id : {0, -1, INT32_MIN, INT32_MAX}) EXPECT_EQ(table.state(id), State::free);
}

TEST(SlotTable, AnIdComesBackOnlyAfterEveryOtherGenerationOfItsSlot) {
  SlotTable table(SlotTable::kSlotsMax);
  const SocketId first = table.reserve(1).value();
  table.release(first);
  std::int64_t others = 0;
  for (std::int64_t turn = 0; turn < 3'000'000; ++turn) {
    const SocketId id = table.reserve(1).value();
    ASSERT_GT(id, 0);
    ASSERT_NE(id, first);
    table.release(id);
    ++others;
  }
  EXPECT_EQ(others, 3'000'000);
}

TEST(SlotTable, GenerationsWrapWithoutAnIdOfZero) {
  // Of the largest table, which has the fewest generations: all slots but one are held, so that one
  // is reused.
  SlotTable large(SlotTable::kSlotsMax);
  std::vector<SocketId> held;
  for (std::size_t slot = 1; slot < large.size(); ++slot) held.push_back(large.reserve(1).value());
  SocketId last = large.reserve(1).value();
  std::set<SocketId> seen;
  for (int turn = 0; turn < 2'047; ++turn) {
    ASSERT_GT(last, 0);
    ASSERT_TRUE(seen.insert(last).second) << turn;
    large.release(last);
    last = large.reserve(1).value();
  }
  EXPECT_TRUE(seen.contains(last)) << "2^11 - 1 generations, then the first one again";
}

TEST(SlotTable, ThreadsNeverShareAnId) {
  SlotTable table(64);
  std::atomic<int> in_use[64] = {};
  std::atomic<bool> shared{false};
  const auto churn = [&] {
    for (int turn = 0; turn < 20'000; ++turn) {
      const auto id = table.reserve(1);
      if (!id) continue;
      if (in_use[table.index(*id)].fetch_add(1) != 0) shared = true;
      in_use[table.index(*id)].fetch_sub(1);
      table.release(*id);
    }
  };
  std::thread other(churn);
  churn();
  other.join();
  EXPECT_FALSE(shared);
  EXPECT_EQ(table.used(), 0U);
}

TEST(TokenTable, ATokenNamesItsValueOnce) {
  TokenTable<std::string> table;
  const Token token = table.park("payload");
  EXPECT_NE(token, 0U);
  EXPECT_EQ(table.take(token), "payload");
  EXPECT_EQ(table.take(token), std::nullopt);
  EXPECT_EQ(table.parked(), 0U);
}

TEST(TokenTable, AStaleTokenDoesNotNameTheNextValueInItsPlace) {
  TokenTable<int> table;
  const Token stale = table.park(1);
  table.take(stale);
  const Token fresh = table.park(2);
  EXPECT_NE(stale, fresh);
  EXPECT_EQ(table.take(stale), std::nullopt);
  EXPECT_EQ(table.take(fresh), 2);
}

TEST(TokenTable, MadeUpTokensNameNothing) {
  TokenTable<int> table;
  table.park(1);
  for (const Token token : {Token{0}, Token{1}, Token{UINT32_MAX}, Token{UINT64_MAX}}) {
    EXPECT_EQ(table.take(token), std::nullopt);
  }
  EXPECT_EQ(table.parked(), 1U);
}

TEST(TokenTable, TakeAllEmptiesTheTable) {
  TokenTable<int> table;
  const Token token = table.park(1);
  table.park(2);
  EXPECT_EQ(table.take_all().size(), 2U);
  EXPECT_EQ(table.parked(), 0U);
  EXPECT_EQ(table.take(token), std::nullopt);
}

TEST(TokenTable, AValueThatIsNotWantedStaysForWhoWantsIt) {
  TokenTable<int> table;
  const Token token = table.park(1);
  EXPECT_EQ(table.take_if(token, [](int value) { return value == 2; }), std::nullopt);
  EXPECT_EQ(table.take(token), 1);
}

TEST(OutputCount, ItCountsForItsSocketUpToTheLimitOnly) {
  using Added = OutputCount::Added;
  OutputCount count;
  count.reset(7);
  EXPECT_EQ(count.add(7, 60, 100), Added::yes);
  EXPECT_EQ(count.add(7, 41, 100), Added::full);
  EXPECT_EQ(count.add(7, 101, 100), Added::full);
  EXPECT_EQ(count.add(8, 1, 100), Added::stale);
  count.subtract(8, 60);
  EXPECT_EQ(count.bytes(7), 60U);
  EXPECT_EQ(count.bytes(8), std::nullopt);
  count.subtract(7, 20);
  EXPECT_EQ(count.add(7, 60, 100), Added::yes);
  count.reset(8);
  EXPECT_EQ(count.bytes(8), 0U);
}

TEST(SlotLock, WhoAsksIsToldOfOnceByTheHolder) {
  SlotLock lock;
  ASSERT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock_or_ask());
  EXPECT_FALSE(lock.try_lock_or_ask());
  EXPECT_TRUE(lock.unlock());
  ASSERT_TRUE(lock.try_lock_or_ask());
  EXPECT_FALSE(lock.unlock());
}

}  // namespace
}  // namespace skysock
