#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/net/connection_state.hpp"

namespace skysock {

/// Time limits of all slots. A kind has one duration, so its slots expire in the order they were
/// added: one linked list per kind, threaded through an array by slot. Cost: constant per
/// operation, no allocation after construction. Invariant: a slot is in at most one list, and every
/// list is sorted by time. Reactor thread only.
class DeadlineLists {
 public:
  explicit DeadlineLists(std::size_t slots) : links_(slots) {}

  /// Requires: the slot is in no list; `at_ms` is not before that of the kind's last one.
  void add(std::uint32_t slot, Deadline kind, std::int64_t at_ms) {
    List& list = lists_[static_cast<std::size_t>(kind)];
    links_[slot] = {.previous = list.last, .next = kNone, .kind = kind, .at_ms = at_ms};
    (list.last == kNone ? list.first : links_[list.last].next) = slot;
    list.last = slot;
  }

  /// Takes the slot out of its list; nothing if it is in none.
  void remove(std::uint32_t slot) {
    Link& link = links_[slot];
    if (link.kind == Deadline::none) return;
    List& list = lists_[static_cast<std::size_t>(link.kind)];
    (link.previous == kNone ? list.first : links_[link.previous].next) = link.next;
    (link.next == kNone ? list.last : links_[link.next].previous) = link.previous;
    link = {};
  }

  [[nodiscard]] Deadline kind(std::uint32_t slot) const { return links_[slot].kind; }

  /// When the next one expires.
  [[nodiscard]] std::optional<std::int64_t> next_ms() const {
    std::optional<std::int64_t> next;
    for (const List& list : lists_) {
      if (list.first == kNone) continue;
      const std::int64_t at_ms = links_[list.first].at_ms;
      next = next ? std::min(*next, at_ms) : at_ms;
    }
    return next;
  }

  /// Takes out and returns a slot whose time has come.
  std::optional<std::uint32_t> take_expired(std::int64_t now_ms) {
    for (const List& list : lists_) {
      if (list.first == kNone || links_[list.first].at_ms > now_ms) continue;
      const std::uint32_t slot = list.first;
      remove(slot);
      return slot;
    }
    return std::nullopt;
  }

  /// Memory per slot.
  static constexpr std::size_t slot_bytes() { return sizeof(Link); }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Link {
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
    Deadline kind = Deadline::none;
    std::int64_t at_ms = 0;
  };
  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  std::vector<Link> links_;
  std::array<List, kDeadlineCount> lists_;
};

}  // namespace skysock
