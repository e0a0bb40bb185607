#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "core/service/message.hpp"

namespace skysock {

/// The queue of one service: many threads push, the thread that has the service takes messages one
/// by one. It outlives the service and serves the next one in the same place.
///
/// Invariant: while the mailbox is open, `scheduled_` is true from the push that found it idle
/// until a finish() that found it empty: a service is in the run queue or in the hands of one
/// thread, never both and never twice. Members that say so belong to that thread; the others are
/// for any thread.
///
/// Source: skynet_mq.c; there the taker locks for every message, here once per batch.
class Mailbox {
 public:
  /// Messages waiting, beyond which a service counts as overloaded. Source: MQ_OVERLOAD.
  static constexpr std::size_t kOverloadMessages = 1'024;
  /// A batch that needed more room than this gives it back.
  static constexpr std::size_t kRoomMessagesKept = 1'024;

  /// Begins the life of service `handle`; the caller has it. Requires: nobody has it.
  void open(ServiceHandle handle) {
    const std::lock_guard lock(mutex_);
    SKYSOCK_CHECK(handle_ == 0 && handle != 0 && queue_.empty());
    handle_ = handle;
    scheduled_ = true;
    closed_.store(false, std::memory_order_relaxed);
    overload_at_ = kOverloadMessages;
  }

  enum class Pushed : std::uint8_t {
    refused,   ///< Nobody, or somebody else, lives here; the message was left alone.
    queued,    ///< Somebody will take it.
    schedule,  ///< Queued, and the caller must put the service into the run queue.
  };

  Pushed push(ServiceHandle to, Message&& message) {
    const std::lock_guard lock(mutex_);
    if (handle_ != to || closed_.load(std::memory_order_relaxed)) return Pushed::refused;
    queue_.push_back(std::move(message));
    pushed_.store(pushed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return std::exchange(scheduled_, true) ? Pushed::queued : Pushed::schedule;
  }

  /// The oldest message, or nullptr when there is none. It stays the mailbox's, and where it is
  /// until the next call. The thread that has the service.
  Message* next() {
    if (next_taken_ == taken_.size() && !take()) return nullptr;
    // Its only writer is this thread.
    popped_.store(popped_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return &taken_[next_taken_++];
  }

  enum class Finished : std::uint8_t {
    idle,   ///< Nothing: the next push schedules.
    more,   ///< Put the service back into the run queue.
    ended,  ///< The mailbox is closed: end the service.
  };

  /// Gives the service up after a turn, unless it says `ended`. The thread that has the service.
  Finished finish() {
    // Without the lock: messages at hand, and close() will find the service scheduled.
    if (next_taken_ < taken_.size() && !closed()) return Finished::more;
    const std::lock_guard lock(mutex_);
    if (closed_.load(std::memory_order_relaxed)) return Finished::ended;
    if (!queue_.empty()) return Finished::more;
    overload_at_ = kOverloadMessages;
    scheduled_ = false;
    return Finished::idle;
  }

  /// Refuses from now on. Returns whether the caller must put the service into the run queue, so
  /// that a worker ends it. Frees nothing: a dropped message may have to be answered.
  bool close(ServiceHandle handle) {
    const std::lock_guard lock(mutex_);
    if (handle_ != handle || closed_.load(std::memory_order_relaxed)) return false;
    closed_.store(true, std::memory_order_relaxed);
    return !std::exchange(scheduled_, true);
  }

  /// Whether the service was told to end, as seen between two messages.
  [[nodiscard]] bool closed() const { return closed_.load(std::memory_order_relaxed); }

  /// Ends the service's life: nobody lives here until open(). Returns what was not handled, oldest
  /// first. The thread that has the service. Requires: finish() said `ended`.
  std::vector<Message> end_life() {
    std::vector<Message> rest(std::move_iterator(taken_.begin() + at()),
                              std::move_iterator(taken_.end()));
    taken_ = std::vector<Message>();
    next_taken_ = 0;
    const std::lock_guard lock(mutex_);
    SKYSOCK_CHECK(closed_.load(std::memory_order_relaxed));
    handle_ = 0;
    std::ranges::move(queue_, std::back_inserter(rest));
    queue_ = std::vector<Message>();
    popped_.store(pushed_.load(std::memory_order_relaxed), std::memory_order_release);
    return rest;
  }

  /// Messages waiting, at some moment during the call; the one being handled is not among them.
  [[nodiscard]] std::size_t length() const {
    const std::uint64_t popped = popped_.load(std::memory_order_acquire);
    return static_cast<std::size_t>(pushed_.load(std::memory_order_relaxed) - popped) +
           beside_.load(std::memory_order_relaxed);
  }

  /// Messages that may wait beside a mailbox; more wait in it, where turns are shared out.
  static constexpr std::size_t kBesideMessagesMax = 64;

  /// Nothing waits here, so that a message may go past the mailbox and stay in order. The only
  /// thread that takes messages.
  [[nodiscard]] bool may_be_passed() const {
    return pushed_.load(std::memory_order_relaxed) == popped_.load(std::memory_order_relaxed) &&
           beside() < kBesideMessagesMax && !closed();
  }
  /// Counts messages that wait beside the mailbox, in the order of its only taking thread.
  void passed(std::size_t now_beside) { beside_.store(now_beside, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t beside() const { return beside_.load(std::memory_order_relaxed); }

  /// The length if it passed 1,024, or twice the length reported last, since the mailbox was last
  /// empty; 0 otherwise. The thread that has the service. Source: skynet_mq_overload().
  [[nodiscard]] std::size_t overload() {
    const std::size_t waiting = length();
    if (waiting <= overload_at_) return 0;
    while (waiting > overload_at_) overload_at_ *= 2;
    return waiting;
  }

 private:
  [[nodiscard]] std::ptrdiff_t at() const { return static_cast<std::ptrdiff_t>(next_taken_); }

  bool take() {
    if (taken_.capacity() > kRoomMessagesKept) taken_ = std::vector<Message>();
    taken_.clear();
    next_taken_ = 0;
    const std::lock_guard lock(mutex_);
    queue_.swap(taken_);
    return !taken_.empty();
  }

  std::mutex mutex_;
  std::vector<Message> queue_;
  ServiceHandle handle_ = 0;
  bool scheduled_ = false;
  std::atomic<bool> closed_{true};        ///< Written under the lock.
  std::atomic<std::uint64_t> pushed_{0};  ///< Written under the lock.

  // Of the thread that has the service; apart from what those who push write.
  alignas(64) std::vector<Message> taken_;
  std::size_t next_taken_ = 0;
  std::size_t overload_at_ = kOverloadMessages;
  std::atomic<std::uint64_t> popped_{0};  ///< Others may read it.
  std::atomic<std::size_t> beside_{0};    ///< Others may read it.
};

}  // namespace skysock
