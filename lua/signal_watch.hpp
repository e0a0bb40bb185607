#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace skysock::lua {

/// Blocks SIGTERM, SIGINT and SIGHUP in the calling thread; threads that it makes inherit that. So
/// call it before any thread is made. Until a SignalWatch exists the signals wait.
void block_signals();

/// Turns the first SIGTERM or SIGINT into a call, later ones change nothing, and every SIGHUP into
/// another one, before and after that. A thread of its own waits for them: there is no signal
/// handler. Requires: block_signals().
class SignalWatch {
 public:
  /// Both are called on the watch's thread, `on_end` once at most. That thread has standard error
  /// and no other descriptor of the process. Make it before the first socket.
  SignalWatch(std::function<void()> on_end, std::function<void()> on_hangup);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void watch();

  std::function<void()> on_end_;
  std::function<void()> on_hangup_;
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace skysock::lua
