#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/sim/fiber.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {

/// The threads of a simulated world: tasks on one thread of the machine, each of which stops where
/// its caller says and goes on when its caller says, so that a race is a program. Equal calls give
/// equal interleavings. The caller itself is one more thread, which never stops.
///
/// A thread stops at yield points (core/sys/yield_point.hpp). One that waits for a lock
/// (yield_thread) lets each of the others go on to its next point, until it gets there; that nobody
/// can go on is a deadlock, which fails a CHECK.
class SimThreads {
 public:
  /// current() outside of all of them.
  static constexpr std::size_t kCaller = SIZE_MAX;
  /// So many yield points are not met: up to the end.
  static constexpr std::uint64_t kToTheEnd = UINT64_MAX;

  /// Takes the kernel's hooks for yields. `arrived` and `left` are called at each yield point of
  /// any thread, before it may stop there and when it goes on.
  using OnPoint = std::function<void(YieldPoint, std::int32_t)>;
  SimThreads(SimKernel& kernel, std::size_t count, OnPoint arrived, OnPoint left);
  SimThreads(const SimThreads&) = delete;
  SimThreads& operator=(const SimThreads&) = delete;
  /// Requires: no thread is busy.
  ~SimThreads();

  /// `thread` passes so many yield points of `work` and stops at the next one, or ends. Requires:
  /// it is not busy.
  void begin(std::size_t thread, std::function<void()> work, std::uint64_t points);
  /// A thread that stopped goes on in the same way; nothing happens when it did not.
  void resume(std::size_t thread, std::uint64_t points);
  /// Every thread goes on to the end of its work.
  void finish();

  [[nodiscard]] bool busy(std::size_t thread) const { return threads_[thread].fiber != nullptr; }
  [[nodiscard]] bool busy() const;
  /// Who runs now.
  [[nodiscard]] std::size_t current() const { return current_; }
  /// Whether the one that runs stops at the yield point where it is.
  [[nodiscard]] bool stops_here() const {
    return current_ != kCaller && threads_[current_].points == 0;
  }

 private:
  struct Thread {
    std::unique_ptr<Fiber> fiber;  ///< While it is busy.
    std::uint64_t points = 0;      ///< That it passes before it stops.
    bool waits = false;            ///< For a lock.
  };

  void at_point(YieldPoint point, std::int32_t id);
  void wait();
  void run(std::size_t thread, std::uint64_t points);
  void switch_to(std::size_t thread);
  bool others_go_on(std::size_t waiting);

  SimKernel& kernel_;
  const void* const caller_;  ///< The kernel's name of the caller's thread.
  OnPoint arrived_;
  OnPoint left_;
  std::vector<Thread> threads_;
  std::size_t current_ = kCaller;
  std::size_t lonely_waits_ = 0;  ///< In a row, of the caller.
};

}  // namespace skysock
