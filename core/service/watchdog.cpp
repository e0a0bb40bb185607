#include "core/service/watchdog.hpp"

#include <latch>
#include <utility>

namespace skysock {

std::vector<Incident> IncidentFinder::look(Time now) {
  using std::chrono::milliseconds;
  std::vector<Incident> incidents;
  for (std::size_t index = 0; index < activities_.size(); ++index) {
    const Activity::Snapshot message = activities_[index].snapshot();
    Seen& seen = seen_[index];
    if (message.service == 0 || message != seen.message) {
      seen = {.message = message, .since = now};
      continue;
    }
    const auto inside = std::chrono::duration_cast<milliseconds>(now - seen.since);
    if (seen.reported || inside < limit_) continue;
    seen.reported = true;
    incidents.push_back({.message = message, .at_least = inside});
  }
  return incidents;
}

Watchdog::Watchdog(std::span<const Activity> activities, std::chrono::milliseconds limit,
                   OnStuck on_stuck, const std::function<void()>& begin)
    : finder_(activities, limit),
      period_(std::chrono::microseconds(limit) / 8),
      on_stuck_(std::move(on_stuck)) {
  std::latch begun(1);
  thread_ = std::thread([this, &begin, &begun] {
    if (begin) begin();
    begun.count_down();
    run();
  });
  begun.wait();
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  thread_.join();
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, period_, [this] { return stopping_; })) {
    for (const Incident& incident : finder_.look(IncidentFinder::Time::clock::now())) {
      on_stuck_(incident);
    }
  }
}

}  // namespace skysock
