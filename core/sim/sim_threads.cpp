#include "core/sim/sim_threads.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace skysock {
namespace {

/// Idle ones, so that a world of a few microseconds need not make stacks.
std::vector<std::unique_ptr<Fiber>>& idle_fibers() {
  static thread_local std::vector<std::unique_ptr<Fiber>> fibers;
  return fibers;
}

std::unique_ptr<Fiber> take_fiber() {
  auto& idle = idle_fibers();
  if (idle.empty()) return std::make_unique<Fiber>();
  std::unique_ptr<Fiber> fiber = std::move(idle.back());
  idle.pop_back();
  return fiber;
}

/// Some who wait do so for nobody in particular, and go on by themselves.
constexpr std::size_t kLonelyWaitsMax = SimKernel::kYieldsMax;

/// `lonely`: how often in a row somebody waited and nobody else could go on.
void check_waits(std::size_t lonely) {
  if (lonely <= kLonelyWaitsMax) return;
  constexpr bool kNoDeadlock = false;
  SKYSOCK_CHECK(kNoDeadlock);
}

}  // namespace

SimThreads::SimThreads(SimKernel& kernel, std::size_t count, OnPoint arrived, OnPoint left)
    : kernel_(kernel),
      caller_(kernel.this_thread()),
      arrived_(std::move(arrived)),
      left_(std::move(left)),
      threads_(count) {
  kernel_.on_yield([this] { wait(); });
  kernel_.on_yield_point([this](YieldPoint point, std::int32_t id) { at_point(point, id); });
}

SimThreads::~SimThreads() {
  SKYSOCK_CHECK(!busy());
  kernel_.on_yield(nullptr);
  kernel_.on_yield_point(nullptr);
}

bool SimThreads::busy() const {
  return std::ranges::any_of(threads_, [](const Thread& one) { return one.fiber != nullptr; });
}

void SimThreads::begin(std::size_t thread, std::function<void()> work, std::uint64_t points) {
  SKYSOCK_CHECK(!busy(thread));
  threads_[thread].fiber = take_fiber();
  threads_[thread].fiber->give(std::move(work));
  run(thread, points);
}

void SimThreads::resume(std::size_t thread, std::uint64_t points) {
  if (busy(thread)) run(thread, points);
}

void SimThreads::finish() {
  for (std::size_t thread = 0; thread < threads_.size(); ++thread) resume(thread, kToTheEnd);
}

void SimThreads::at_point(YieldPoint point, std::int32_t id) {
  arrived_(point, id);
  if (stops_here()) {
    threads_[current_].fiber->suspend();
  } else if (current_ != kCaller) {
    --threads_[current_].points;
  }
  left_(point, id);
}

/// Of whoever runs: the others get a turn.
void SimThreads::wait() {
  if (current_ != kCaller) {
    threads_[current_].waits = true;
    return threads_[current_].fiber->suspend();
  }
  lonely_waits_ = others_go_on(kCaller) ? 0 : lonely_waits_ + 1;
  check_waits(lonely_waits_);
}

void SimThreads::run(std::size_t thread, std::uint64_t points) {
  SKYSOCK_CHECK(current_ == kCaller);
  threads_[thread].points = points;
  std::size_t lonely_waits = 0;
  for (switch_to(thread); busy(thread) && threads_[thread].waits; switch_to(thread)) {
    lonely_waits = others_go_on(thread) ? 0 : lonely_waits + 1;
    check_waits(lonely_waits);
  }
}

void SimThreads::switch_to(std::size_t thread) {
  Thread& one = threads_[thread];
  one.waits = false;
  current_ = thread;
  kernel_.set_thread(&one);
  one.fiber->resume();
  kernel_.set_thread(caller_);
  current_ = kCaller;
  if (one.fiber->idle()) idle_fibers().push_back(std::move(one.fiber));
}

/// Each of the others passes a point, unless it waits, too. Returns whether one did.
bool SimThreads::others_go_on(std::size_t waiting) {
  bool any = false;
  for (std::size_t thread = 0; thread < threads_.size(); ++thread) {
    if (thread == waiting || !busy(thread)) continue;
    threads_[thread].points = 0;
    switch_to(thread);
    any = any || !threads_[thread].waits;
  }
  return any;
}

}  // namespace skysock
