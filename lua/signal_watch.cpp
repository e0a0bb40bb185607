#include "lua/signal_watch.hpp"

#include <csignal>
#include <latch>
#include <utility>

#include "core/base/check.hpp"
#include "core/sys/descriptor_table.hpp"

namespace skysock::lua {
namespace {

sigset_t end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

void block_end_signals() {
  const sigset_t signals = end_signals();
  SKYSOCK_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
}

SignalWatch::SignalWatch(std::function<void()> on_signal) : on_signal_(std::move(on_signal)) {
  std::latch left(1);
  thread_ = std::thread([this, &left] {
    leave_descriptor_table({});  // It needs none, and a copy would keep what others close.
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
  const sigset_t signals = end_signals();
  while (sigwaitinfo(&signals, nullptr) < 0) {
  }
  if (finished_.load()) return;
  on_signal_();
}

}  // namespace skysock::lua
