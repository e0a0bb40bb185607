#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "core/service/activity.hpp"

namespace skysock {

/// A thread that has been inside of one message for too long.
struct Incident {
  Activity::Snapshot message;
  std::chrono::milliseconds at_least{0};  ///< How long, as far as it was seen.
};

/// Finds incidents by looking at what threads are inside of from time to time. Knows no clock.
class IncidentFinder {
 public:
  using Time = std::chrono::steady_clock::time_point;

  IncidentFinder(std::span<const Activity> activities, std::chrono::milliseconds limit)
      : activities_(activities), limit_(limit), seen_(activities.size()) {}

  /// Looks once. Every incident is returned once, however long it lasts.
  std::vector<Incident> look(Time now);

 private:
  struct Seen {
    Activity::Snapshot message;
    Time since;
    bool reported = false;
  };

  std::span<const Activity> activities_;
  std::chrono::milliseconds limit_;
  std::vector<Seen> seen_;
};

/// Looks for incidents eight times per limit, so one is reported at the latest after limit * 9/8.
/// Source: skynet_monitor.c, which looks every 5 s.
class Watchdog {
 public:
  using OnStuck = std::function<void(const Incident&)>;

  /// `on_stuck` runs on the watchdog's thread. `activities` must outlive this.
  /// `begin`, if given, is the first that the thread does; it has returned when this is made.
  Watchdog(std::span<const Activity> activities, std::chrono::milliseconds limit, OnStuck on_stuck,
           const std::function<void()>& begin = nullptr);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void run();

  IncidentFinder finder_;
  std::chrono::microseconds period_;
  OnStuck on_stuck_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace skysock
