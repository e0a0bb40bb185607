#include "lua/signal_watch.hpp"

#include <unistd.h>

#include <csignal>
#include <latch>
#include <utility>

#include "core/base/check.hpp"
#include "core/sys/descriptor_table.hpp"

namespace skysock::lua {
namespace {

sigset_t watched_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

void block_signals() {
  const sigset_t signals = watched_signals();
  SKYSOCK_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
}

SignalWatch::SignalWatch(std::function<void()> on_end, std::function<void()> on_hangup)
    : on_end_(std::move(on_end)), on_hangup_(std::move(on_hangup)) {
  std::latch left(1);
  thread_ = std::thread([this, &left] {
    leave_descriptor_table({STDERR_FILENO});  // A copy would keep what others close.
    left.count_down();
    watch();
  });
  left.wait();
}

SignalWatch::~SignalWatch() {
  finished_.store(true);
  pthread_kill(thread_.native_handle(), SIGINT);  // Only wakes sigwaitinfo(): it is blocked.
  thread_.join();
}

void SignalWatch::watch() {
  const sigset_t signals = watched_signals();
  bool ended = false;
  for (;;) {
    const int signal = sigwaitinfo(&signals, nullptr);
    if (finished_.load()) return;
    if (signal == SIGHUP) {
      on_hangup_();
    } else if (signal > 0 && !std::exchange(ended, true)) {
      on_end_();
    }
  }
}

}  // namespace skysock::lua
