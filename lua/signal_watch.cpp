#include "lua/signal_watch.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <string_view>
#include <utility>

#include "core/base/check.hpp"

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

SignalWatch::SignalWatch(std::function<void()> on_signal, std::chrono::seconds grace)
    : on_signal_(std::move(on_signal)), grace_(grace) {
  thread_ = std::thread([this] { watch(); });
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
  const auto deadline = std::chrono::steady_clock::now() + grace_;
  const timespec tick{.tv_sec = 0, .tv_nsec = 100'000'000};
  while (std::chrono::steady_clock::now() < deadline) {
    sigtimedwait(&signals, nullptr, &tick);  // The destructor's signal, or an impatient second one.
    if (finished_.load()) return;
  }
  constexpr std::string_view kLate = "skysock: error: a service did not end in time, giving up\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kLate.data(), kLate.size());
  _exit(1);
}

}  // namespace skysock::lua
