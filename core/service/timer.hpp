#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "core/net/types.hpp"
#include "core/service/message.hpp"

namespace skysock {

/// A thread that calls back at given times; equal times in the order they were asked for. Thread
/// safe.
class Timer {
 public:
  using Clock = std::chrono::steady_clock;
  using Fire = std::function<void(ServiceHandle, Session)>;

  /// `fire` runs on the timer's thread and must not block.
  explicit Timer(Fire fire);
  /// Forgets what is still due and joins.
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Cost: O(log n) in the timers pending; wakes the thread only for a new earliest one.
  void add(Clock::time_point when, ServiceHandle service, Session session);

 private:
  struct Entry {
    Clock::time_point when;
    std::uint64_t order;
    ServiceHandle service;
    Session session;
    bool operator<(const Entry& other) const {  // The queue's top is its greatest: the earliest.
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  void run();

  Fire fire_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<Entry> entries_;
  std::uint64_t order_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace skysock
