#pragma once

#include <atomic>
#include <cstdint>

#include "core/service/message.hpp"

namespace skysock {

/// Which message a thread is inside of, for the watchdog. One thread writes, any thread reads.
///
/// A sequence lock without fences: the writer publishes the new count before the new fields
/// (release stores), the reader takes the fields (acquire loads) before it looks at the count
/// again. Cost per message: six plain stores to a cache line of this thread's own, no clock.
/// Source: skynet_monitor_trigger().
class alignas(64) Activity {
 public:
  /// The message at hand; `service` is 0 between messages.
  struct Snapshot {
    std::uint64_t count = 0;  ///< Messages begun so far.
    ServiceHandle service = 0;
    ServiceHandle source = 0;
    Session session = 0;
    MessageType type = MessageType::text;
    bool operator==(const Snapshot&) const = default;
  };

  void enter(ServiceHandle service, const Message& message) {
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    source_.store(message.source, std::memory_order_release);
    session_.store(message.session, std::memory_order_release);
    type_.store(message.type, std::memory_order_release);
    service_.store(service, std::memory_order_release);
  }

  void leave() { service_.store(0, std::memory_order_release); }

  /// Messages begun so far.
  [[nodiscard]] std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

  /// What the thread was inside of at some moment during the call; service 0 when it moved on
  /// meanwhile.
  [[nodiscard]] Snapshot snapshot() const {
    Snapshot seen{.count = count_.load(std::memory_order_acquire)};
    seen.service = service_.load(std::memory_order_acquire);
    seen.source = source_.load(std::memory_order_acquire);
    seen.session = session_.load(std::memory_order_acquire);
    seen.type = type_.load(std::memory_order_acquire);
    if (count() != seen.count) seen.service = 0;
    return seen;
  }

 private:
  std::atomic<std::uint64_t> count_{0};
  std::atomic<ServiceHandle> service_{0};
  std::atomic<ServiceHandle> source_{0};
  std::atomic<Session> session_{0};
  std::atomic<MessageType> type_{MessageType::text};
};

}  // namespace skysock
