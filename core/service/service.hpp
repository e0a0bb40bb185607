#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "core/service/mailbox.hpp"

namespace skysock {

/// Called with one message at a time, never on two threads at once: on any worker, or on the
/// reactor thread when there are no workers. It must not throw.
using MessageHandler = std::move_only_function<void(Message&&)>;

/// One actor: a mailbox and what handles its messages. Its place is never freed, only reused
/// (registry.hpp), so a stale pointer is harmless: the mailbox knows whom it serves.
struct Service {
  ServiceHandle handle = 0;  ///< Like name: constant from spawn to the end.
  std::string name;
  Mailbox mailbox;
  MessageHandler handler;         ///< Touched only by the thread that has the service.
  Service* next = nullptr;        ///< In a RunQueue.
  std::atomic<bool> made{false};  ///< Its handler is there, and was not taken away.
};

/// Services that wait for a turn, first-in first-out. Invariant: each is in one queue at most,
/// which the mailboxes see to. Not thread safe. Cost: no allocation.
class RunQueue {
 public:
  [[nodiscard]] bool empty() const { return head_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return size_; }

  void push(Service& service) {
    service.next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = &service;
    tail_ = &service;
    ++size_;
  }

  /// Requires: not empty.
  Service& pop() {
    SKYSOCK_CHECK(head_ != nullptr);
    --size_;
    return *std::exchange(head_, head_->next);
  }

  /// Takes all of `other`, behind what is here.
  void append(RunQueue& other) {
    if (other.empty()) return;
    (head_ == nullptr ? head_ : tail_->next) = other.head_;
    tail_ = other.tail_;
    size_ += other.size_;
    other = {};
  }

 private:
  Service* head_ = nullptr;
  Service* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace skysock
