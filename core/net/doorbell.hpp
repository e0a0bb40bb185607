#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "core/sys/syscalls.hpp"

namespace skysock {

/// What a control channel needs of a kernel: a small part of Syscalls, so that a test can bring its
/// own.
template <typename S>
concept ChannelSys = requires(S sys, int fd, std::span<std::byte> into,
                              std::span<const std::byte> from, YieldPoint point) {
  { sys.close(fd) } -> std::same_as<void>;
  { sys.read(fd, into) } -> std::same_as<Result<std::size_t>>;
  { sys.write(fd, from) } -> std::same_as<Result<std::size_t>>;
  { sys.make_pipe() } -> std::same_as<Result<PipeEnds>>;
  { sys.make_event() } -> std::same_as<Result<int>>;
  { sys.signal_event(fd) } -> std::same_as<void>;
  { sys.yield_thread() } -> std::same_as<void>;
  { sys.yield_point(point) } -> std::same_as<void>;
};

/// What false sharing is measured in: values that different threads write live this far apart.
inline constexpr std::size_t kCacheLineBytes = 64;

/// Wakes one sleeping thread through an eventfd that costs a write(2) only while it sleeps.
///
/// The sleeper announces itself, looks for work once more, and only then waits for fd(). Whoever
/// brings work publishes it with a sequentially consistent write and calls ring_if_sleeping()
/// behind it. Invariant: of "the sleeper sees the work" and "the bringer sees the announcement" one
/// is true, because all four accesses are in one total order. No fence: ThreadSanitizer knows none.
template <ChannelSys Sys>
class Doorbell {
 public:
  static Result<int> make_fd(Sys& sys) { return sys.make_event(); }

  /// Takes `fd`, which make_fd() gave.
  Doorbell(Sys& sys, int fd) : sys_(&sys), fd_(fd) {}
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;
  ~Doorbell() { sys_->close(fd_); }

  [[nodiscard]] int fd() const { return fd_; }
  /// Writes to the eventfd so far.
  [[nodiscard]] std::uint64_t signals() const { return signals_.load(std::memory_order_relaxed); }

  /// Any thread: ends the wait that is under way, or keeps the next one from beginning. What the
  /// caller wrote before is seen by the sleeper after it. Cost: one write(2) when it sleeps.
  void ring() {
    if (state_.exchange(State::rung) != State::sleeping) return;
    signals_.fetch_add(1, std::memory_order_relaxed);
    sys_->signal_event(fd_);
  }

  /// Any thread, after it published work with a sequentially consistent write. Cost: one load while
  /// the sleeper is awake.
  void ring_if_sleeping() {
    if (state_.load() == State::sleeping) ring();
  }

  /// The sleeper: from now on work rings. False when somebody rang since the last wait: then the
  /// caller withdraws and does not wait.
  [[nodiscard]] bool announce() { return state_.exchange(State::sleeping) != State::rung; }

  /// The sleeper, after every announce(). Takes the eventfd's count when it was signalled.
  void withdraw() {
    if (state_.exchange(State::awake) == State::rung) ++owed_;
    if (owed_ > 0) take_count();
  }

 private:
  enum class State : std::uint8_t {
    awake,
    sleeping,  ///< Announced: who finds this signals.
    rung       ///< Somebody wants the sleeper; when it slept, a signal was or will be given.
  };

  /// A ringer may be between its exchange and its write(2): what is not there yet is taken after
  /// the next wait, which it ends early.
  void take_count() {
    std::array<std::byte, sizeof(std::uint64_t)> bytes;
    if (!sys_->read(fd_, bytes)) return;
    const auto count = std::bit_cast<std::uint64_t>(bytes);
    owed_ -= count < owed_ ? count : owed_;
  }

  Sys* sys_;
  int fd_;
  std::uint64_t owed_ = 0;  ///< Signals that were or will be given, less those taken.
  alignas(kCacheLineBytes) std::atomic<State> state_ = State::awake;
  std::atomic<std::uint64_t> signals_ = 0;
};

}  // namespace skysock
