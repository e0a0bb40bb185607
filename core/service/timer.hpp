#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "core/service/timer_queue.hpp"

namespace skysock {

/// A thread that calls back at given times; equal times in the order they were asked for. It sleeps
/// until the next one is due: no tick. Thread safe.
class Timer {
 public:
  using Clock = std::chrono::steady_clock;
  using Fire = std::function<void(TimerQueue::Due)>;

  /// `fire` runs on the timer's thread and must not block.
  /// `begin`, if given, is the first that the thread does; it has returned when this is made.
  explicit Timer(Fire fire, const std::function<void()>& begin = nullptr);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Joins the thread: nothing fires any more, what is or will be added waits for ever. Idempotent.
  /// Not to be called on two threads at once.
  void stop();

  /// Cost: O(log n) in the timers pending; wakes the thread only for a new earliest one.
  TimerId add(Clock::time_point when, TimerQueue::Due due);

  /// True when it was pending: then it never fires. False when it fired or is just about to.
  bool cancel(TimerId id);

  [[nodiscard]] std::uint64_t fired() const { return fired_.load(std::memory_order_relaxed); }

 private:
  void run();
  std::size_t take_due(Clock::time_point now);

  Fire fire_;
  std::mutex mutex_;
  std::condition_variable changed_;
  TimerQueue queue_;
  bool stopping_ = false;
  std::array<TimerQueue::Due, 64> batch_;  ///< Of the timer's thread.
  std::atomic<std::uint64_t> fired_{0};
  std::thread thread_;
};

}  // namespace skysock
