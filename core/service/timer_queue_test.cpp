// Do timers come out by time and then in the order they were added, each once, unless cancelled?

#include "core/service/timer_queue.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "core/base/prng.hpp"

namespace skysock {
namespace {

using Time = TimerQueue::Time;

Time at_ms(std::int64_t ms) { return Time(std::chrono::milliseconds(ms)); }

TimerQueue::Due due(Session session) { return {.service = 1, .session = session}; }

std::vector<Session> take_all(TimerQueue& queue, Time now) {
  std::vector<Session> sessions;
  while (const auto taken = queue.take_due(now)) sessions.push_back(taken->session);
  return sessions;
}

TEST(TimerQueue, TimersComeOutByTimeAndEqualOnesInTheOrderAdded) {
  TimerQueue queue;
  queue.add(at_ms(30), due(1));
  queue.add(at_ms(10), due(2));
  queue.add(at_ms(20), due(3));
  queue.add(at_ms(10), due(4));
  queue.add(at_ms(10), due(5));
  EXPECT_EQ(take_all(queue, at_ms(30)), (std::vector<Session>{2, 4, 5, 3, 1}));
}

TEST(TimerQueue, NothingComesOutBeforeItsTime) {
  TimerQueue queue;
  EXPECT_EQ(queue.next(), std::nullopt);
  queue.add(at_ms(10), due(1));
  EXPECT_EQ(queue.next(), at_ms(10));
  EXPECT_EQ(queue.take_due(at_ms(10) - std::chrono::nanoseconds(1)), std::nullopt);
  EXPECT_EQ(queue.take_due(at_ms(10)), due(1));
  EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(TimerQueue, ACancelledTimerNeverComesOutAndIsCancelledOnce) {
  TimerQueue queue;
  queue.add(at_ms(1), due(1));
  const TimerId second = queue.add(at_ms(2), due(2));
  queue.add(at_ms(3), due(3));
  EXPECT_TRUE(queue.cancel(second));
  EXPECT_FALSE(queue.cancel(second));
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(take_all(queue, at_ms(9)), (std::vector<Session>{1, 3}));
}

TEST(TimerQueue, AnIdOfATimerThatFiredCancelsNothingElse) {
  TimerQueue queue;
  const TimerId fired = queue.add(at_ms(1), due(1));
  EXPECT_EQ(queue.take_due(at_ms(1)), due(1));
  queue.add(at_ms(2), due(2));  // In the same slot.
  EXPECT_FALSE(queue.cancel(fired));
  EXPECT_FALSE(queue.cancel(0));
  EXPECT_FALSE(queue.cancel(~TimerId{0}));
  EXPECT_EQ(queue.size(), 1U);
}

/// The same timers in the plainest structure there is.
class Model {
 public:
  void add(TimerId id, Time when, Session session) {
    // A multimap keeps equal keys in the order of insertion.
    by_id_[id] = by_time_.emplace(when, Pending{.id = id, .session = session});
  }

  bool cancel(TimerId id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    by_time_.erase(found->second);
    by_id_.erase(found);
    return true;
  }

  std::vector<Session> take_all(Time now) {
    std::vector<Session> sessions;
    while (!by_time_.empty() && by_time_.begin()->first <= now) {
      sessions.push_back(by_time_.begin()->second.session);
      by_id_.erase(by_time_.begin()->second.id);
      by_time_.erase(by_time_.begin());
    }
    return sessions;
  }

  [[nodiscard]] std::optional<Time> next() const {
    return by_time_.empty() ? std::nullopt : std::optional(by_time_.begin()->first);
  }
  [[nodiscard]] std::size_t size() const { return by_time_.size(); }

 private:
  struct Pending {
    TimerId id;
    Session session;
  };
  std::multimap<Time, Pending> by_time_;
  std::map<TimerId, std::multimap<Time, Pending>::iterator> by_id_;
};

class TimerQueueAndModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TimerQueueAndModel, AgreeOnRandomCalls) {
  Prng random(GetParam());
  TimerQueue queue;
  Model model;
  std::vector<TimerId> issued;
  std::int64_t now_ms = 0;
  for (Session turn = 1; turn <= 5'000; ++turn) {
    const std::uint64_t choice = random.below(10);
    if (choice < 6) {
      // Few different times, so that many are equal.
      const Time when = at_ms(now_ms + static_cast<std::int64_t>(random.below(50)));
      const TimerId id = queue.add(when, due(turn));
      model.add(id, when, turn);
      issued.push_back(id);
    } else if (choice < 9 && !issued.empty()) {
      const TimerId id = issued[random.below(issued.size())];
      ASSERT_EQ(queue.cancel(id), model.cancel(id)) << "turn " << turn;
    } else {
      now_ms += static_cast<std::int64_t>(random.below(40));
      ASSERT_EQ(take_all(queue, at_ms(now_ms)), model.take_all(at_ms(now_ms))) << "turn " << turn;
    }
    ASSERT_EQ(queue.next(), model.next()) << "turn " << turn;
    ASSERT_EQ(queue.size(), model.size()) << "turn " << turn;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerQueueAndModel, testing::Range<std::uint64_t>(1, 11));

}  // namespace
}  // namespace skysock
