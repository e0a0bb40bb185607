#include "core/service/timer.hpp"

namespace skysock {

Timer::Timer(Fire fire) : fire_(std::move(fire)), thread_([this] { run(); }) {}

Timer::~Timer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Timer::add(Clock::time_point when, ServiceHandle service, Session session) {
  bool earliest = false;
  {
    const std::lock_guard lock(mutex_);
    earliest = entries_.empty() || when < entries_.top().when;
    entries_.push({.when = when, .order = order_++, .service = service, .session = session});
  }
  if (earliest) changed_.notify_one();
}

void Timer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (entries_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const Entry next = entries_.top();
    if (Clock::now() < next.when) {
      changed_.wait_until(lock, next.when);
      continue;
    }
    entries_.pop();
    lock.unlock();
    fire_(next.service, next.session);
    lock.lock();
  }
}

}  // namespace skysock
