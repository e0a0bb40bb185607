#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/net/control_packet.hpp"

namespace skysock {

/// Parks values (payloads, descriptors) that travel through the control channel as tokens.
///
/// A token is a place and that place's generation: taking it a second time, or taking a made-up
/// one, finds nothing. Thread safe. Cost: one uncontended lock; memory stays at the high-water
/// mark.
template <typename T>
class TokenTable {
 public:
  Token park(T value) {
    const std::lock_guard lock(mutex_);
    std::uint32_t place = 0;
    if (free_.empty()) {
      place = static_cast<std::uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      place = free_.back();
      free_.pop_back();
    }
    Entry& entry = entries_[place];
    entry.value = std::move(value);
    return (Token{entry.generation} << 32U) | place;
  }

  /// The value, once; nothing for a token that was never issued or was taken before.
  std::optional<T> take(Token token) {
    return take_if(token, [](const T&) { return true; });
  }

  /// As take(), but leaves a value that is not `wanted(value)` where it is.
  template <typename Wanted>
  std::optional<T> take_if(Token token, Wanted wanted) {
    const auto place = static_cast<std::uint32_t>(token);
    const std::lock_guard lock(mutex_);
    if (place >= entries_.size()) return std::nullopt;
    Entry& entry = entries_[place];
    if (!entry.value.has_value() || entry.generation != token >> 32U) return std::nullopt;
    if (!wanted(*entry.value)) return std::nullopt;
    std::optional<T> value = std::exchange(entry.value, std::nullopt);
    // 0 is skipped, so that no token is 0. A generation comes back after 2^32 uses of one place.
    if (++entry.generation == 0) entry.generation = 1;
    free_.push_back(place);
    return value;
  }

  /// Takes whatever is still parked, in no order.
  std::vector<T> take_all() {
    std::vector<T> values;
    const std::lock_guard lock(mutex_);
    for (std::uint32_t place = 0; place < entries_.size(); ++place) {
      Entry& entry = entries_[place];
      if (!entry.value.has_value()) continue;
      values.push_back(*std::exchange(entry.value, std::nullopt));
      if (++entry.generation == 0) entry.generation = 1;
      free_.push_back(place);
    }
    return values;
  }

  [[nodiscard]] std::size_t parked() const {
    const std::lock_guard lock(mutex_);
    return entries_.size() - free_.size();
  }

 private:
  struct Entry {
    std::optional<T> value;
    std::uint32_t generation = 1;
  };

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
};

}  // namespace skysock
