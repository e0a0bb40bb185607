#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/base/check.hpp"
#include "core/net/shared_slot.hpp"

namespace skysock {

/// Hands out ids: slot index in the low bits, generation above.
///
/// Invariant: a slot's generation grows by one with every use and skips 0, so an id is 1 to 2^31-1
/// and comes back only after every other generation of its slot; free slots are taken first-in
/// first-out, so that takes long even for few. Thread safe. Cost of reserve() and release(): one
/// uncontended lock, whatever the fill.
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
    SKYSOCK_CHECK(slots >= kSlotsMin);
    SKYSOCK_CHECK(slots <= kSlotsMax);
    for (std::uint32_t slot = 0; slot < slots; ++slot) free_[slot] = slot;
    free_count_ = slots;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  /// A fresh id in state reserved with everything at its start, or nothing when every slot is
  /// taken. `limit`: unsent bytes at most.
  std::optional<SocketId> reserve(ServiceHandle owner, Protocol protocol = Protocol::tcp,
                                  std::uint32_t limit = UINT32_MAX,
                                  LimitPolicy policy = LimitPolicy::refuse) {
    const std::lock_guard lock(mutex_);
    if (free_count_ == 0) return std::nullopt;
    const std::uint32_t slot = free_[free_head_];
    free_head_ = free_head_ + 1 == size_ ? 0 : free_head_ + 1;
    --free_count_;
    const std::uint32_t generations = std::uint32_t{1} << (31U - index_bits_);
    if (++generation_[slot] == generations) generation_[slot] = 1;
    const auto id = static_cast<SocketId>((generation_[slot] << index_bits_) | slot);
    SharedSlot& shared = shared_[slot];
    shared.limit.store(limit, std::memory_order_relaxed);
    shared.reserved_by.store(owner, std::memory_order_relaxed);
    shared.publish({.state = State::reserved,
                    .send = SendMode::queued,
                    .protocol = protocol,
                    .policy = policy});
    shared.output.reset(id);
    return id;
  }

  /// Frees the slot of `id`. Requires: id is current, and nothing is left under the slot's lock.
  void release(SocketId id) {
    SharedSlot& shared = shared_[index(id)];
    SKYSOCK_CHECK(shared.output.id() == id);
    shared.output.reset(0);
    shared.publish({});
    const std::lock_guard lock(mutex_);
    const std::size_t back = free_head_ + free_count_;
    free_[back < size_ ? back : back - size_] = static_cast<std::uint32_t>(index(id));
    ++free_count_;
  }

  /// Memory per slot beside SharedSlot.
  static constexpr std::size_t slot_bytes() { return 2 * sizeof(std::uint32_t); }

  /// Any int is a legal question; it may be >= size() when size() is no power of two.
  [[nodiscard]] std::size_t index(SocketId id) const {
    return static_cast<std::uint32_t>(id) & ((std::uint32_t{1} << index_bits_) - 1);
  }

  /// The slot that `id` lives in, or nullptr when it is stale or never was. It may become stale at
  /// any moment, unless the caller is the reactor.
  [[nodiscard]] SharedSlot* find(SocketId id) {
    const std::size_t slot = index(id);
    if (id <= 0 || slot >= size_ || shared_[slot].output.id() != id) return nullptr;
    return &shared_[slot];
  }
  [[nodiscard]] const SharedSlot* find(SocketId id) const {
    return const_cast<SlotTable*>(this)->find(id);
  }

  /// Reactor thread, for a slot that it knows to be current.
  [[nodiscard]] SharedSlot& at(SocketId id) { return shared_[index(id)]; }

  /// The state of `id`; free for an id that is stale or never was.
  [[nodiscard]] State state(SocketId id) const {
    const SharedSlot* shared = find(id);
    if (shared == nullptr) return State::free;
    const State state = shared->seen().state;
    return shared->output.id() == id ? state : State::free;
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
