#include "core/service/timer.hpp"

#include <latch>
#include <span>
#include <utility>

namespace skysock {

Timer::Timer(Fire fire, const std::function<void()>& begin) : fire_(std::move(fire)) {
  std::latch begun(1);
  thread_ = std::thread([this, &begin, &begun] {
    if (begin) begin();
    begun.count_down();
    run();
  });
  begun.wait();
}

Timer::~Timer() { stop(); }

void Timer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

TimerId Timer::add(Clock::time_point when, TimerQueue::Due due) {
  TimerId id = 0;
  bool earliest = false;
  {
    const std::lock_guard lock(mutex_);
    const auto next = queue_.next();
    earliest = !next || when < *next;
    id = queue_.add(when, due);
  }
  if (earliest) changed_.notify_one();
  return id;
}

bool Timer::cancel(TimerId id) {
  const std::lock_guard lock(mutex_);
  return queue_.cancel(id);
}

/// Requires: the lock. Returns how many are in batch_ now.
std::size_t Timer::take_due(Clock::time_point now) {
  std::size_t count = 0;
  while (count < batch_.size()) {
    const auto due = queue_.take_due(now);
    if (!due) break;
    batch_[count++] = *due;
  }
  return count;
}

void Timer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::size_t count = take_due(Clock::now());
    if (count > 0) {
      lock.unlock();
      for (const TimerQueue::Due& due : std::span(batch_).first(count)) fire_(due);
      fired_.fetch_add(count, std::memory_order_relaxed);
      lock.lock();
    } else if (const auto next = queue_.next()) {
      const Clock::time_point until = *next;  // A copy: the queue changes while we wait.
      changed_.wait_until(lock, until);
    } else {
      changed_.wait(lock);
    }
  }
}

}  // namespace skysock
