#include "bench/compare/load_thread.hpp"

#include <sched.h>

#include "core/base/check.hpp"

namespace skysock::bench::compare {

LoadThread::LoadThread() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

LoadThread::~LoadThread() {
  thread_.request_stop();
  thread_.join();
}

void LoadThread::hand_over(std::move_only_function<void()> work) {
  const std::scoped_lock lock(mutex_);
  next_ = std::move(work);
  changed_.notify_one();
}

void LoadThread::run(const std::stop_token& stop) {
  SKYSOCK_CHECK(unshare(CLONE_FILES) == 0);
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return next_ != nullptr; })) {
    auto work = std::exchange(next_, nullptr);
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace skysock::bench::compare
