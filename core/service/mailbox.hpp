#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "core/service/message.hpp"

namespace skysock {

/// The queue of one service: many threads push, the worker that has the service takes everything at
/// once.
///
/// Invariant: `scheduled` is true from the push that found the mailbox idle until a finish() that
/// found it empty, so a service is in the run queue or in the hands of one worker, never both and
/// never twice. Thread safe.
class Mailbox {
 public:
  enum class Pushed : std::uint8_t {
    refused,   ///< The mailbox is closed; the message was freed.
    queued,    ///< Somebody will take it.
    schedule,  ///< Queued, and the caller must put the service into the run queue.
  };

  Pushed push(Message&& message) {
    const std::lock_guard lock(mutex_);
    if (closed_) return Pushed::refused;
    queue_.push_back(std::move(message));
    return std::exchange(scheduled_, true) ? Pushed::queued : Pushed::schedule;
  }

  /// What the worker does after a turn.
  enum class Finished : std::uint8_t {
    idle,   ///< Nothing: the next push schedules.
    more,   ///< Put the service back into the run queue.
    ended,  ///< The mailbox is closed: end the service. Said exactly once.
  };

  /// Moves all messages to `batch`; its old elements are freed, its memory is reused.
  void take(std::vector<Message>& batch) {
    batch.clear();
    const std::lock_guard lock(mutex_);
    queue_.swap(batch);
  }

  Finished finish() {
    const std::lock_guard lock(mutex_);
    if (closed_) return Finished::ended;
    if (!queue_.empty()) return Finished::more;
    scheduled_ = false;
    return Finished::idle;
  }

  /// Refuses from now on and frees what is queued. Returns whether the caller must schedule the
  /// service once more, so that a worker ends it.
  bool close() {
    std::vector<Message>
        dropped;  // Declared first, so that it is freed after the lock is given back.
    const std::lock_guard lock(mutex_);
    closed_ = true;
    queue_.swap(dropped);
    return !std::exchange(scheduled_, true);
  }

 private:
  std::mutex mutex_;
  std::vector<Message> queue_;
  bool scheduled_ = true;
  bool closed_ = false;
};

}  // namespace skysock
