#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/net/types.hpp"
#include "core/service/message.hpp"

namespace skysock {

/// Names one pending timer; stale once it fired or was cancelled. 0 means "none".
using TimerId = std::uint64_t;

/// Timers by time, equal times in the order they were added. Not thread safe, knows no clock.
///
/// A heap with four children per node (half the depth of a binary one, and the children share cache
/// lines) whose entries can be found by id. skynet's wheel is O(1), but rounds to its tick and
/// cannot cancel. Cost: O(log n) to add, cancel and take; no allocation beyond the peak.
class TimerQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Due {
    ServiceHandle service = 0;
    Session session = 0;
    bool operator==(const Due&) const = default;
  };

  TimerId add(Time when, Due due) {
    const std::uint32_t slot = take_slot();
    slots_[slot].due = due;
    heap_.push_back({.when = when, .order = order_++, .slot = slot});
    rise(heap_.size() - 1);
    return (TimerId{slots_[slot].generation} << 32U) | slot;
  }

  /// True when the timer was pending: then it will never be taken.
  bool cancel(TimerId id) {
    const auto slot = static_cast<std::uint32_t>(id);
    if (slot >= slots_.size() || slots_[slot].generation != id >> 32U) return false;
    remove(slots_[slot].position);
    free_slot(slot);
    return true;
  }

  /// When the earliest is due; nothing when none is pending.
  [[nodiscard]] std::optional<Time> next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().when;
  }

  /// Takes the earliest if it is due at `now`.
  std::optional<Due> take_due(Time now) {
    if (heap_.empty() || heap_.front().when > now) return std::nullopt;
    const std::uint32_t slot = heap_.front().slot;
    remove(0);
    free_slot(slot);
    return slots_[slot].due;
  }

  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    Time when;
    std::uint64_t order;
    std::uint32_t slot;
    bool operator<(const Entry& other) const {
      return when != other.when ? when < other.when : order < other.order;
    }
  };

  /// Invariant: slots_[heap_[i].slot].position == i. The generation grows when the timer ends and
  /// is never 0.
  struct Slot {
    std::uint32_t generation = 1;
    std::uint32_t position = 0;
    Due due;
  };

  static constexpr std::size_t kChildren = 4;

  std::uint32_t take_slot() {
    if (free_.empty()) {
      slots_.emplace_back();
      return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void free_slot(std::uint32_t slot) {
    if (++slots_[slot].generation == 0) slots_[slot].generation = 1;
    free_.push_back(slot);
  }

  void place(std::size_t position, const Entry& entry) {
    heap_[position] = entry;
    slots_[entry.slot].position = static_cast<std::uint32_t>(position);
  }

  void rise(std::size_t position) {
    const Entry entry = heap_[position];
    while (position > 0) {
      const std::size_t parent = (position - 1) / kChildren;
      if (!(entry < heap_[parent])) break;
      place(position, heap_[parent]);
      position = parent;
    }
    place(position, entry);
  }

  void sink(std::size_t position) {
    const Entry entry = heap_[position];
    for (;;) {
      const std::size_t first = position * kChildren + 1;
      if (first >= heap_.size()) break;
      const auto begin = heap_.begin() + static_cast<std::ptrdiff_t>(first);
      const auto count = std::min(kChildren, heap_.size() - first);
      const auto least = std::min_element(begin, begin + static_cast<std::ptrdiff_t>(count));
      if (!(*least < entry)) break;
      const auto child = static_cast<std::size_t>(least - heap_.begin());
      place(position, *least);
      position = child;
    }
    place(position, entry);
  }

  void remove(std::size_t position) {
    const Entry last = heap_.back();
    heap_.pop_back();
    if (position == heap_.size()) return;
    heap_[position] = last;
    rise(position);
    sink(slots_[last.slot].position);
  }

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t order_ = 0;
};

}  // namespace skysock
