#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace skysock {

/// Time limits that differ from socket to socket (connect and idle time-outs); few sockets have
/// one. Cost: logarithmic in those. Invariant: a slot has at most one. Reactor thread only.
class TimeoutQueue {
 public:
  /// Replaces what the slot had.
  void set(std::uint32_t slot, std::int64_t at_ms) {
    remove(slot);
    by_slot_[slot] = at_ms;
    by_time_.emplace(at_ms, slot);
  }

  void remove(std::uint32_t slot) {
    const auto found = by_slot_.find(slot);
    if (found == by_slot_.end()) return;
    by_time_.erase({found->second, slot});
    by_slot_.erase(found);
  }

  /// When the next one expires.
  [[nodiscard]] std::optional<std::int64_t> next_ms() const {
    if (by_time_.empty()) return std::nullopt;
    return by_time_.begin()->first;
  }

  /// Takes out and returns a slot whose time has come.
  std::optional<std::uint32_t> take_expired(std::int64_t now_ms) {
    if (by_time_.empty() || by_time_.begin()->first > now_ms) return std::nullopt;
    const std::uint32_t slot = by_time_.begin()->second;
    remove(slot);
    return slot;
  }

 private:
  std::set<std::pair<std::int64_t, std::uint32_t>> by_time_;
  std::unordered_map<std::uint32_t, std::int64_t> by_slot_;
};

}  // namespace skysock
