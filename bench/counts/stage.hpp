#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "bench/load/outcome.hpp"
#include "core/service/runtime.hpp"

namespace skysock::bench::counts {

/// A whole node with workers=0 whose reactor stops after every batch until the client lets it do
/// the next: of the two threads one works at a time, so that every run takes the same steps.
class Stage {
 public:
  /// `tuning` without workers. Error: what the runtime could not have; io_uring counts.
  static load::Outcome<std::unique_ptr<Stage>> open(Tuning tuning);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] Runtime& runtime() { return *runtime_; }

  /// From the start until lock_step() batches follow each other freely.
  load::Outcome<void> lock_step();

  /// Lets the server do one batch. Requires: lock_step() was called, and there is something to do.
  /// Error: nothing was, for 10 s.
  load::Outcome<void> step();
  /// Lets it do batches until `reached`. Error: not after 1,000.
  load::Outcome<void> step_until(const std::function<bool()>& reached, const char* what);

  /// Between begin() and end() the server's steps are counted.
  void begin() { counting_ = true; }
  void end() { counting_ = false; }

 private:
  Stage() = default;
  void after_batch();
  load::Outcome<void> wait_until_stopped(const char* otherwise);

  std::unique_ptr<Runtime> runtime_;
  std::atomic<bool> counting_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool free_ = true;      ///< Batches follow each other.
  bool stopped_ = false;  ///< The reactor waits for the client.
};

}  // namespace skysock::bench::counts
