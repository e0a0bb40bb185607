#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/base/check.hpp"
#include "core/net/connection_state.hpp"
#include "core/net/types.hpp"

namespace skysock {

/// The part of a slot that threads other than the reactor may look at.
struct SharedSlot {
  std::atomic<SocketId> id{0};  ///< 0 while the slot is free.
  std::atomic<State> state{State::free};
  std::atomic<ServiceHandle> reserved_by{0};
};

/// Hands out ids: slot index in the low bits, generation above.
///
/// Invariant: a slot's generation grows by one with every use and skips 0, so an id is 1 to 2^31-1
/// and comes back only after every other generation of its slot; free slots are taken first-in
/// first-out, so that takes long even for few. Thread safe.
class SlotTable {
 public:
  static constexpr std::size_t kSlotsMin = 2;
  static constexpr std::size_t kSlotsMax = std::size_t{1} << 20U;

  /// Requires: kSlotsMin <= slots <= kSlotsMax.
  explicit SlotTable(std::size_t slots)
      : index_bits_(static_cast<unsigned>(std::bit_width(slots - 1))),
        size_(slots),
        shared_(std::make_unique<SharedSlot[]>(slots)),
        generation_(slots, 0),
        free_(slots) {
    SKYSOCK_CHECK(slots >= kSlotsMin && slots <= kSlotsMax);
    for (std::uint32_t slot = 0; slot < slots; ++slot) free_[slot] = slot;
    free_count_ = slots;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  /// A fresh id in state reserved, or nothing when every slot is taken.
  std::optional<SocketId> reserve(ServiceHandle owner) {
    const std::lock_guard lock(mutex_);
    if (free_count_ == 0) return std::nullopt;
    const std::uint32_t slot = free_[free_head_];
    free_head_ = (free_head_ + 1) % size_;
    --free_count_;
    const std::uint32_t generations = std::uint32_t{1} << (31U - index_bits_);
    if (++generation_[slot] == generations) generation_[slot] = 1;
    const auto id = static_cast<SocketId>((generation_[slot] << index_bits_) | slot);
    SharedSlot& shared = shared_[slot];
    shared.reserved_by.store(owner, std::memory_order_relaxed);
    shared.state.store(State::reserved, std::memory_order_relaxed);
    shared.id.store(id, std::memory_order_release);
    return id;
  }

  /// Frees the slot of `id`. Requires: id is current.
  void release(SocketId id) {
    SharedSlot& shared = shared_[index(id)];
    SKYSOCK_CHECK(shared.id.load(std::memory_order_relaxed) == id);
    shared.id.store(0, std::memory_order_relaxed);
    shared.state.store(State::free, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    free_[(free_head_ + free_count_) % size_] = static_cast<std::uint32_t>(index(id));
    ++free_count_;
  }

  /// Any int is a legal question; it may be >= size() when size() is no power of two.
  [[nodiscard]] std::size_t index(SocketId id) const {
    return static_cast<std::uint32_t>(id) & ((std::uint32_t{1} << index_bits_) - 1);
  }

  /// The state of `id`; free for an id that is stale or never was.
  [[nodiscard]] State state(SocketId id) const {
    const std::size_t slot = index(id);
    if (id <= 0 || slot >= size_) return State::free;
    const SharedSlot& shared = shared_[slot];
    if (shared.id.load(std::memory_order_acquire) != id) return State::free;
    return shared.state.load(std::memory_order_relaxed);
  }

  /// Reactor thread only. Requires: id is current.
  void set_state(SocketId id, State state) {
    shared_[index(id)].state.store(state, std::memory_order_relaxed);
  }

  [[nodiscard]] ServiceHandle reserved_by(SocketId id) const {
    return shared_[index(id)].reserved_by.load(std::memory_order_relaxed);
  }

  [[nodiscard]] std::size_t used() const {
    const std::lock_guard lock(mutex_);
    return size_ - free_count_;
  }

 private:
  unsigned index_bits_;
  std::size_t size_;
  std::unique_ptr<SharedSlot[]> shared_;
  mutable std::mutex mutex_;
  std::vector<std::uint32_t> generation_;
  std::vector<std::uint32_t> free_;
  std::size_t free_head_ = 0;
  std::size_t free_count_ = 0;
};

}  // namespace skysock
