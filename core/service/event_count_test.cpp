// Does a waiter of the eventcount sleep only while nothing happened, and is no wake-up lost?

#include "core/service/event_count.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace skysock {
namespace {

TEST(EventCount, ANotificationWithoutWaitersFindsNobody) {
  EventCount events;
  EXPECT_FALSE(events.notify_one());
  EXPECT_FALSE(events.notify_all());
}

TEST(EventCount, ANotificationBetweenPrepareAndWaitIsNotLost) {
  EventCount events;
  const EventCount::Key key = events.prepare();
  EXPECT_TRUE(events.notify_one());
  events.wait(key);  // Would sleep for ever.
  EXPECT_EQ(events.waiters(), 0U);
}

TEST(EventCount, WhoCancelsIsNoWaiter) {
  EventCount events;
  [[maybe_unused]] const EventCount::Key key = events.prepare();
  EXPECT_EQ(events.waiters(), 1U);
  events.cancel();
  EXPECT_FALSE(events.notify_one());
}

TEST(EventCount, NotifyAllWakesEverybody) {
  EventCount events;
  std::atomic<bool> go{false};
  std::vector<std::thread> waiters;
  for (int index = 0; index < 4; ++index) {
    waiters.emplace_back([&] {
      while (!go) {
        const EventCount::Key key = events.prepare();
        if (go) {
          events.cancel();
        } else {
          events.wait(key);
        }
      }
    });
  }
  while (events.waiters() < 4) std::this_thread::yield();
  go = true;
  events.notify_all();
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(events.waiters(), 0U);
}

/// Tickets that one side hands out and the other takes, sleeping when there are none.
class Tickets {
 public:
  void put() {
    count_.fetch_add(1, std::memory_order_relaxed);
    events_.notify_one();
  }

  void take() {
    while (!try_take()) {
      const EventCount::Key key = events_.prepare();
      if (try_take()) return events_.cancel();
      events_.wait(key);
    }
  }

  [[nodiscard]] int left() const { return count_.load(); }

 private:
  bool try_take() {
    int now = count_.load(std::memory_order_relaxed);
    while (now > 0) {
      if (count_.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  EventCount events_;
  std::atomic<int> count_{0};
};

// The tickets' own count is relaxed: only the eventcount orders it against sleeping.
TEST(EventCount, TwoThreadsThatTakeTurnsNeverSleepForEver) {
  constexpr int kTurns = 20'000;
  Tickets ping;
  Tickets pong;
  std::thread other([&] {
    for (int turn = 0; turn < kTurns; ++turn) {
      ping.take();
      pong.put();
    }
  });
  for (int turn = 0; turn < kTurns; ++turn) {
    ping.put();
    pong.take();
  }
  other.join();
  EXPECT_EQ(ping.left() + pong.left(), 0);
}

TEST(EventCount, ManyPuttersAndTakersLoseNoTicket) {
  constexpr int kTickets = 20'000;
  Tickets tickets;
  std::vector<std::thread> threads;
  for (int index = 0; index < 3; ++index) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < kTickets; ++turn) tickets.put();
    });
    threads.emplace_back([&] {
      for (int turn = 0; turn < kTickets; ++turn) tickets.take();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tickets.left(), 0);
}

}  // namespace
}  // namespace skysock
