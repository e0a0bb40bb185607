// What does a timer cost to add, to cancel and to expire while N others are pending? The queue
// alone: the thread that waits for the earliest is left out.

#include <chrono>
#include <optional>

#include "bench/harness.hpp"
#include "core/base/prng.hpp"
#include "core/service/timer_queue.hpp"

namespace skysock::bench {
namespace {

constexpr std::int64_t kHorizonUs = 60'000'000;

TimerQueue::Time random_time(Prng& random) {
  return TimerQueue::Time(std::chrono::microseconds(random.below(kHorizonUs)));
}

void fill(TimerQueue& queue, std::int64_t pending, Prng& random) {
  for (std::int64_t count = 0; count < pending; ++count) queue.add(random_time(random), {});
}

/// A request with a time limit that is answered in time: the usual life of a timer.
void BM_TimerAddCancel(benchmark::State& state) {
  Prng random(1);
  TimerQueue queue;
  fill(queue, state.range(0), random);
  const TimerId early = queue.add(TimerQueue::Time::min(), {});
  if (!queue.cancel(early) || queue.cancel(early) || queue.take_due(TimerQueue::Time::min())) {
    return fail(state, "a cancelled timer was still there");
  }
  for (auto _ : state) {
    const TimerId timer = queue.add(random_time(random), {});
    if (!queue.cancel(timer)) {
      fail(state, "a timer just added could not be cancelled");
      break;
    }
  }
  if (queue.size() != static_cast<std::size_t>(state.range(0))) fail(state, "timers were lost");
  state.SetItemsProcessed(state.iterations());
}

/// A sleep: the earliest timer comes out and is added again, later.
void BM_TimerTakeAdd(benchmark::State& state) {
  Prng random(1);
  TimerQueue queue;
  fill(queue, state.range(0), random);
  TimerQueue::Time before;
  for (auto _ : state) {
    const TimerQueue::Time now = queue.next().value_or(TimerQueue::Time::min());
    if (now < before || !queue.take_due(now)) {
      fail(state, "the earliest timer did not come out");
      break;
    }
    before = now;
    queue.add(now + random_time(random).time_since_epoch(), {});
  }
  state.SetItemsProcessed(state.iterations());
}

constexpr std::int64_t kBatch = 256;

/// A batch is added in random order, all of it due before the timers that stay, and expires. The
/// session says when each is due, so the order can be checked. False when it was wrong.
bool add_and_expire(TimerQueue& queue, Prng& random) {
  const auto time_of = [](Session session) {
    return TimerQueue::Time(std::chrono::microseconds(session));
  };
  for (std::int64_t count = 0; count < kBatch; ++count) {
    const auto due = static_cast<Session>(random.below(kHorizonUs));
    queue.add(time_of(due), {.service = 1, .session = due});
  }
  Session last = 0;
  std::int64_t expired = 0;
  while (const std::optional<TimerQueue::Due> due = queue.take_due(time_of(kHorizonUs))) {
    if (due->session < last) return false;
    last = due->session;
    ++expired;
  }
  return expired == kBatch;
}

void BM_TimerAddExpire(benchmark::State& state) {
  Prng random(1);
  TimerQueue queue;
  const std::chrono::microseconds horizon(kHorizonUs + 1);
  for (std::int64_t count = 0; count < state.range(0); ++count) {
    queue.add(random_time(random) + horizon, {});
  }
  bool right = add_and_expire(queue, random);
  for (auto _ : state) {
    right = right && add_and_expire(queue, random);
    if (!right) break;
  }
  if (!right || queue.size() != static_cast<std::size_t>(state.range(0))) {
    return fail(state, "timers were lost, or expired too early, too late or out of order");
  }
  state.SetItemsProcessed(kBatch * static_cast<std::int64_t>(state.iterations()));
}

void add(const char* name, void (*function)(benchmark::State&),
         const std::vector<std::int64_t>& pending) {
  benchmark::RegisterBenchmark(name, function)->ArgName("pending")->ArgsProduct({pending});
}

}  // namespace

void register_timer() {
  describe("micro: timers", "BM_TimerAddCancel",
           "a timer that is added and cancelled while N others wait");
  describe("micro: timers", "BM_TimerTakeAdd",
           "the earliest of N timers comes out and is added again, later");
  describe("micro: timers", "BM_TimerAddExpire",
           "a timer of 256 that are added, then expire before N others");
  add("BM_TimerAddCancel", BM_TimerAddCancel, {0, 1'000, 100'000});
  add("BM_TimerTakeAdd", BM_TimerTakeAdd, {1, 1'000, 100'000});  // One has to be there.
  add("BM_TimerAddExpire", BM_TimerAddExpire,
      values({0, 1'000, 100'000}, {0, 1'000, 100'000, 1'000'000}));
}

}  // namespace skysock::bench
