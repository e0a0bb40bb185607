#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace skysock {

/// Lets threads sleep until a condition that lives elsewhere may have changed; the condition itself
/// may be lock-free.
///
/// A waiter says prepare(), looks at its condition, then cancel() or wait(). A notifier changes the
/// condition, then says notify_one() or notify_all(). No change is missed: of prepare()'s look at
/// the epoch and a notification's change of it one comes first. Either wait() sees the new epoch,
/// or the waiter's look at its condition comes after the notifier's change.
///
/// Only read-modify-writes and loads that are sequentially consistent: no fence, which
/// ThreadSanitizer would not understand. Thread safe. Cost of a notification that finds nobody: one
/// read-modify-write. Source: Vyukov's eventcount; folly::EventCount.
class EventCount {
 public:
  using Key = std::uint32_t;

  [[nodiscard]] Key prepare() {
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    return epoch_.load(std::memory_order_seq_cst);
  }

  void cancel() { waiters_.fetch_sub(1, std::memory_order_seq_cst); }

  /// Sleeps until a notification after prepare(). May return early: look at the condition again.
  void wait(Key key) {
    // A wake-up is never ignored, not even one meant for a thread that prepared before us: it would
    // be lost, and that thread sleep on.
    if (epoch_.load(std::memory_order_seq_cst) == key) sleep(key);
    waiters_.fetch_sub(1, std::memory_order_seq_cst);
  }

  /// Wakes one waiter; returns whether there may have been one.
  bool notify_one() { return notify(1); }
  bool notify_all() { return notify(INT32_MAX); }

  /// Threads between prepare() and the end of wait() or cancel().
  [[nodiscard]] std::uint32_t waiters() const { return waiters_.load(std::memory_order_seq_cst); }

 private:
  bool notify(std::int32_t count) {
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) == 0) return false;
    ::syscall(SYS_futex, &epoch_, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);  // NOLINT
    return true;
  }

  void sleep(Key key) {
    // Returns at once when the epoch is not `key` any more; a signal may end it early.
    ::syscall(SYS_futex, &epoch_, FUTEX_WAIT_PRIVATE, key, nullptr, nullptr, 0);  // NOLINT
  }

  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
  std::atomic<std::uint32_t> epoch_{0};
  std::atomic<std::uint32_t> waiters_{0};
};

}  // namespace skysock
