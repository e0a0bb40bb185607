#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace skysock::bench::compare {

/// A thread with a descriptor table of its own, so that clients of several servers together may
/// hold more connections than one process may have descriptors. What opens descriptors there must
/// be destroyed there.
class LoadThread {
 public:
  LoadThread();
  /// Ends the thread. Requires: no call() is running.
  ~LoadThread();
  LoadThread(const LoadThread&) = delete;
  LoadThread& operator=(const LoadThread&) = delete;

  /// Runs `work` on the thread and returns what it returns.
  template <typename Function>
  auto call(Function&& work) {
    std::packaged_task<decltype(work())()> task(std::forward<Function>(work));
    auto result = task.get_future();
    hand_over([&task] { task(); });
    return result.get();
  }

 private:
  void hand_over(std::move_only_function<void()> work);
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::move_only_function<void()> next_;  ///< Empty: nothing to do.
  std::jthread thread_;                   ///< Last: it uses what is above.
};

}  // namespace skysock::bench::compare
