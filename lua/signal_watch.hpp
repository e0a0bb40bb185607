#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace skysock::lua {

/// Blocks SIGTERM and SIGINT in the calling thread; threads that it makes inherit that. So call it
/// before any thread is made. Until a SignalWatch exists the signals wait.
void block_end_signals();

/// Turns the first SIGTERM or SIGINT into a call; later ones change nothing. A thread of its own
/// waits for them: there is no signal handler. Requires: block_end_signals().
class SignalWatch {
 public:
  /// `on_signal` is called once at most, on the watch's thread. Make it before the first socket.
  explicit SignalWatch(std::function<void()> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void watch();

  std::function<void()> on_signal_;
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace skysock::lua
