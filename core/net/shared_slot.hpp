#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>

#include "core/base/block.hpp"
#include "core/base/check.hpp"
#include "core/base/result.hpp"
#include "core/net/connection_state.hpp"
#include "core/net/tuning.hpp"
#include "core/net/types.hpp"
#include "core/sys/endpoint.hpp"

// What senders and the reactor share of one socket: all that makes a write from any thread safe.
//
// The argument, in short. A sender writes to the kernel itself only while it holds the slot's lock
// and sees, under the lock, that the id is current, that the state allows it and that not one byte
// of output is on its way (OutputCount). Whoever queues output adds to that count before the packet
// is posted, so nothing can overtake what is still in the control channel; the reactor subtracts
// only what the kernel took or what was freed. What a direct write could not send is counted and
// parked under the lock; the reactor puts it in front of everything else before it writes. The
// reactor changes descriptor and id under the lock, so no sender can touch a descriptor that is
// closed.

namespace skysock {

/// The unsent bytes of a socket and whose they are, in one word: a sender with a stale id can never
/// add to the count of a later socket. Thread safe.
class OutputCount {
 public:
  static constexpr std::uint64_t kBytesMax = UINT32_MAX;

  enum class Added : std::uint8_t { yes, stale, full };

  [[nodiscard]] SocketId id() const { return id_of(word_.load(std::memory_order_acquire)); }

  /// Unsent bytes, if the socket is `id`.
  [[nodiscard]] std::optional<std::uint64_t> bytes(SocketId id) const {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if (id_of(word) != id) return std::nullopt;
    return word & kBytesMax;
  }

  /// Whether the socket is `id` and has no unsent bytes. Cost: one load.
  [[nodiscard]] bool is_idle(SocketId id) const {
    return word_.load(std::memory_order_acquire) == idle_word(id);
  }

  /// Counts `bytes` more, unless that would exceed `limit`. Requires: limit <= kBytesMax.
  Added add(SocketId id, std::uint64_t bytes, std::uint64_t limit) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (id_of(word) != id) return Added::stale;
      const std::uint64_t queued = word & kBytesMax;
      if (bytes > limit || queued > limit - bytes) return Added::full;
      if (word_.compare_exchange_weak(word, word + bytes, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return Added::yes;
      }
    }
  }

  /// Takes `bytes` off again. Requires: they were added for `id`; nothing happens when it is stale.
  void subtract(SocketId id, std::uint64_t bytes) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (id_of(word) == id &&
           !word_.compare_exchange_weak(word, word - bytes, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
  }

  /// A fresh socket with no output; 0 frees.
  void reset(SocketId id) { word_.store(idle_word(id), std::memory_order_release); }

 private:
  static std::uint64_t idle_word(SocketId id) {
    return std::uint64_t{static_cast<std::uint32_t>(id)} << 32U;
  }
  static SocketId id_of(std::uint64_t word) { return static_cast<SocketId>(word >> 32U); }

  std::atomic<std::uint64_t> word_{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// A lock that is held for one non-blocking write(2) at most. It belongs to the slot, not to a
/// socket, and is never made anew. Thread safe.
class SlotLock {
 public:
  bool try_lock() {
    std::uint32_t expected = kFree;
    return state_.load(std::memory_order_relaxed) == kFree &&
           state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  /// Takes the lock, or asks its holder to say so when it lets go (unlock() returns true there).
  bool try_lock_or_ask() {
    for (;;) {
      std::uint32_t seen = kFree;
      if (state_.compare_exchange_strong(seen, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
        return true;
      }
      if (seen == kHeldAsked ||
          state_.compare_exchange_strong(seen, kHeldAsked, std::memory_order_relaxed)) {
        return false;
      }
    }
  }

  /// Waits. The holder is inside one non-blocking system call, so `yield()` is enough.
  template <typename Yield>
  void lock(Yield&& yield) {
    while (!try_lock()) yield();
  }

  /// Returns whether the reactor asked to be told: then an ArmWritePacket is due.
  [[nodiscard]] bool unlock() {
    return state_.exchange(kFree, std::memory_order_release) == kHeldAsked;
  }

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kHeldAsked = 2;
  std::atomic<std::uint32_t> state_{kFree};
};

/// What a sender needs to know of a socket's state: one word, written by the reactor, and by who
/// starts an accepted socket.
struct Published {
  State state = State::free;
  SendMode send = SendMode::refused;
  Protocol protocol = Protocol::tcp;
  LimitPolicy policy = LimitPolicy::refuse;
  bool timed = false;  ///< It has an idle time-out: a direct write must say when it was.

  [[nodiscard]] std::uint32_t packed() const {
    return static_cast<std::uint32_t>(state) | static_cast<std::uint32_t>(send) << 8U |
           static_cast<std::uint32_t>(protocol) << 16U | static_cast<std::uint32_t>(policy) << 24U |
           (timed ? std::uint32_t{1} << 31U : 0U);
  }
  static Published unpack(std::uint32_t packed) {
    return {.state = static_cast<State>(packed & 0xFFU),
            .send = static_cast<SendMode>(packed >> 8U & 0xFFU),
            .protocol = static_cast<Protocol>(packed >> 16U & 0xFFU),
            .policy = static_cast<LimitPolicy>(packed >> 24U & 0x7FU),
            .timed = (packed >> 31U) != 0};
  }
};

/// What a direct write could not send, and why if it failed: the error belongs to that call.
struct Remainder {
  Block rest;
  std::error_code error;
};

/// Why a write can never be made, if so.
inline std::error_code hard_error(const Result<std::size_t>& answer) {
  const bool passing = answer || answer.error() == std::errc::resource_unavailable_try_again ||
                       answer.error() == std::errc::interrupted;
  return passing ? std::error_code() : answer.error();
}

/// Whether datagrams without an address can go anywhere: the socket has a default destination, or
/// will have one when its turn comes. Any thread reads; changes need the slot's lock. Invariant: a
/// socket that has or is to get a destination is never seen without, so a change is done only once
/// the address is set.
class Addressing {
 public:
  /// Cost: one load.
  [[nodiscard]] bool has_destination() const { return load() != 0; }
  /// Changes of the address are on their way to the reactor: nothing may be written past them.
  [[nodiscard]] bool changes() const { return (load() & ~kAddressed) != 0; }

  void change_posted() { store(load() + 1); }
  /// A posted change was made, or will never be. Nothing happens when none is known.
  void change_done() {
    if (changes()) store(load() - 1);
  }
  void set_addressed() { store(load() | kAddressed); }
  void reset() { store(0); }

 private:
  static constexpr std::uint32_t kAddressed = std::uint32_t{1} << 31U;
  [[nodiscard]] std::uint32_t load() const { return word_.load(std::memory_order_relaxed); }
  void store(std::uint32_t word) { word_.store(word, std::memory_order_relaxed); }

  std::atomic<std::uint32_t> word_{0};
};

/// The shared half of a slot: one cache line.
struct alignas(64) SharedSlot {
  OutputCount output;
  SlotLock lock;
  std::atomic<std::uint32_t> published{Published{}.packed()};
  std::atomic<std::uint32_t> limit{0};  ///< Unsent bytes at most.
  std::atomic<ServiceHandle> reserved_by{0};

  /// Changed under the lock.
  Addressing addressing;

  // Under the lock.
  int fd = -1;
  std::unique_ptr<Remainder> remainder;
  std::unique_ptr<Endpoint> address;  ///< Default destination of datagrams.
  std::uint64_t direct_bytes = 0;     ///< Sent by direct writes,
  std::int64_t direct_ms = 0;         ///< the last one at this time, or soon after.

  /// What a direct write could not send. Requires: the lock; nothing is unsent.
  void park(SocketId id, Block rest, std::error_code error) {
    [[maybe_unused]] const auto counted = output.add(id, rest.size(), OutputCount::kBytesMax);
    SKYSOCK_CHECK(counted == OutputCount::Added::yes);  // It was 0, and nobody else adds so much.
    remainder = std::make_unique<Remainder>(std::move(rest), error);
  }

  [[nodiscard]] Published seen() const {
    return Published::unpack(published.load(std::memory_order_acquire));
  }
  void publish(const Published& what) { published.store(what.packed(), std::memory_order_release); }

  /// Publishes what `change(Published&)` makes of what is published, unless it returns false.
  template <typename Change>
  void republish(Change change) {
    std::uint32_t word = published.load(std::memory_order_acquire);
    for (;;) {
      Published what = Published::unpack(word);
      if (!change(what) ||
          published.compare_exchange_weak(word, what.packed(), std::memory_order_release,
                                          std::memory_order_acquire)) {
        return;
      }
    }
  }

  /// A start of `id` is in the channel: what is sent from now on comes behind it.
  void start_posted(SocketId id) {
    republish([&](Published& what) {
      if (what.state != State::paccept || output.id() != id) return false;
      what.send = SendMode::queued;
      return true;
    });
  }
};
static_assert(sizeof(SharedSlot) == 64);

}  // namespace skysock
