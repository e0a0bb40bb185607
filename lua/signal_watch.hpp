#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace skysock::lua {

/// Blocks SIGTERM and SIGINT in the calling thread; threads that it makes inherit that. So call it
/// before any thread is made. Until a SignalWatch exists the signals wait.
void block_end_signals();

/// Turns SIGTERM and SIGINT into a call, and bounds the time that the end may take. A thread of its
/// own waits for them: there is no signal handler. Requires: block_end_signals().
class SignalWatch {
 public:
  /// `on_signal` is called once, on the watch's thread. If the object still lives `grace` after
  /// that, or a second signal comes, the process ends with exit code 1 and a message.
  SignalWatch(std::function<void()> on_signal, std::chrono::seconds grace);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void watch();

  std::function<void()> on_signal_;
  std::chrono::seconds grace_;
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace skysock::lua
