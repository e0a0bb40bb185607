#pragma once

#include <cstddef>
#include <functional>

namespace skysock {

/// A stack of its own on which work runs, stops in the middle and goes on later, all on the thread
/// that calls. Cost: a switch is a few nanoseconds; made once, used for any number of works.
class Fiber {
 public:
  Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  /// Requires: idle().
  ~Fiber();

  /// Gives it work, which resume() begins. Requires: idle().
  void give(std::function<void()> work);
  /// Runs the work up to its next suspend(), or its end. Requires: not idle(), and outside of it.
  void resume();
  /// Inside the work: goes back to who called resume().
  void suspend();
  /// The last work is done.
  [[nodiscard]] bool idle() const { return !work_; }

 private:
  struct Switch;
  /// What the sanitizers want to know of a stack.
  struct Stack {
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    void* fake = nullptr;    ///< AddressSanitizer's own.
    void* thread = nullptr;  ///< ThreadSanitizer's.
  };

  void live();

  void* memory_;
  void* context_;           ///< Where the fiber goes on,
  void* caller_ = nullptr;  ///< and where its caller does.
  Stack own_;
  Stack callers_;
  std::function<void()> work_;
};

}  // namespace skysock
