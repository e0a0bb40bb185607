#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "core/base/check.hpp"
#include "core/net/server_parts.hpp"

namespace skysock {

inline Protocol protocol_of(const Endpoint& endpoint) {
  return endpoint.family() == AF_INET ? Protocol::udp_v4 : Protocol::udp_v6;
}

/// How a payload leaves, from any thread: written at once on the calling thread, or counted, parked
/// and told to the reactor. shared_slot.hpp says why that is safe.
template <Syscalls Sys>
class SendPath {
 public:
  explicit SendPath(ServerParts<Sys>& parts) : parts_(parts) {}
  SendPath(const SendPath&) = delete;
  SendPath& operator=(const SendPath&) = delete;

  /// A payload that is the server's, or memory that stays the caller's.
  struct Owned {
    Block& block;
    [[nodiscard]] std::span<const std::byte> bytes() const { return block.bytes(); }
    Block rest(std::size_t sent) {
      block.remove_prefix(sent);
      return std::move(block);
    }
  };
  struct Foreign {
    std::span<const std::byte> memory;
    [[nodiscard]] std::span<const std::byte> bytes() const { return memory; }
    [[nodiscard]] Block rest(std::size_t sent) const {
      return Block::copy_of(memory.subspan(sent));
    }
  };

  /// As SocketServer::send().
  template <typename Payload>
  Result<SendOutcome> send(SocketId id, Payload& payload, Priority priority) {
    parts_.sys.yield_point(YieldPoint::send_looks, id);
    SharedSlot* slot = parts_.shared.slots.find(id);
    const Published seen = slot == nullptr ? Published{} : slot->seen();
    if (seen.send == SendMode::refused) [[unlikely]] {
      return refuse(std::errc::bad_file_descriptor);
    }
    const std::size_t bytes = payload.bytes().size();
    const bool datagram = is_udp(seen.protocol);
    if (bytes == 0 && !datagram) [[unlikely]]
      return SendOutcome::written;
    if (!within_limit(*slot, id, bytes)) [[unlikely]]
      return over_limit(id, seen.policy);
    if (datagram && !slot->addressing.has_destination()) {
      return refuse(std::errc::destination_address_required);
    }
    if (priority == Priority::high && seen.send == SendMode::direct) {
      const std::optional<SendOutcome> done =
          datagram ? write_datagram(*slot, id, payload.bytes(), nullptr)
                   : write_stream(*slot, id, payload);
      if (done) [[likely]]
        return *done;
    }
    return queue(*slot, id, payload.rest(0), seen, [&](Token token) {
      return SendPacket{.id = id, .payload = token, .priority = priority};
    });
  }

  /// As SocketServer::send_to().
  Result<SendOutcome> send_to(SocketId id, const UdpAddress& to, Block payload) {
    parts_.sys.yield_point(YieldPoint::send_looks, id);
    SharedSlot* slot = parts_.shared.slots.find(id);
    const Published seen = slot == nullptr ? Published{} : slot->seen();
    if (seen.send == SendMode::refused) return refuse(std::errc::bad_file_descriptor);
    if (!is_udp(seen.protocol)) return refuse(std::errc::operation_not_supported);
    if (to.empty() || protocol_of(to.endpoint()) != seen.protocol) {
      return refuse(std::errc::address_family_not_supported);
    }
    if (!within_limit(*slot, id, payload.size())) return over_limit(id, seen.policy);
    if (seen.send == SendMode::direct) {
      const Endpoint endpoint = to.endpoint();
      if (const auto done = write_datagram(*slot, id, payload.bytes(), &endpoint)) return *done;
    }
    return queue(*slot, id, std::move(payload), seen, [&](Token token) {
      return SendToPacket{.id = id, .payload = token, .address = to};
    });
  }

  /// As SocketServer::post_send().
  Result<SendOutcome> post(SocketId id, Block payload, Priority priority) {
    SharedSlot* slot = parts_.shared.slots.find(id);
    const Protocol protocol = slot == nullptr ? Protocol::tcp : slot->seen().protocol;
    const std::size_t bytes = counted_bytes(protocol, payload.size());
    // Of a stale id nobody counts any more.
    if (slot != nullptr) [[maybe_unused]]
      const auto counted = slot->output.add(id, bytes, OutputCount::kBytesMax);
    const auto make = [&](Token token) {
      return SendPacket{.id = id, .payload = token, .priority = priority};
    };
    return park(id, std::move(payload), bytes, make);
  }

  /// Of a datagram socket that the reactor does not know yet; nullptr: none.
  void set_default_address(SocketId id, std::unique_ptr<Endpoint> to) {
    SharedSlot& slot = parts_.shared.slots.at(id);
    lock(slot, id);
    slot.address = std::move(to);
    slot.addressing.reset();
    if (slot.address) slot.addressing.set_addressed();
    unlock(slot, false);
  }

  /// Counts a change of a datagram socket's address that is on its way: until the reactor has made
  /// it, nothing is written past it.
  class AddressChange {
   public:
    AddressChange(SendPath& path, SharedSlot& slot, SocketId id)
        : path_(path), slot_(slot), id_(id) {
      change(&Addressing::change_posted);
    }
    ~AddressChange() {
      if (!travels_) change(&Addressing::change_done);
    }
    AddressChange(const AddressChange&) = delete;
    AddressChange& operator=(const AddressChange&) = delete;
    /// The packet is in the channel: the reactor counts down.
    void travels() { travels_ = true; }

   private:
    void change(void (Addressing::*what)()) {
      path_.lock(slot_, id_);
      if (slot_.output.id() == id_) (slot_.addressing.*what)();
      path_.unlock(slot_, false);
    }

    SendPath& path_;
    SharedSlot& slot_;
    SocketId id_;
    bool travels_ = false;
  };

 private:
  /// What a payload counts while it waits.
  static std::size_t counted_bytes(Protocol protocol, std::size_t bytes) {
    return bytes + (is_udp(protocol) ? kDatagramKeepBytes : 0);
  }

  void lock(SharedSlot& slot, SocketId id) {
    parts_.sys.yield_point(YieldPoint::slot_lock_wanted, id);
    slot.lock.lock([this] { parts_.sys.yield_thread(); });
    parts_.sys.yield_point(YieldPoint::slot_locked, id);
  }

  /// Who has to be told is the socket that lives there now: a sender with an old id may hold the
  /// lock that the next socket's output waits for.
  void unlock(SharedSlot& slot, bool remainder) {
    if (slot.lock.unlock() || remainder) [[unlikely]] {
      const SocketId id = slot.output.id();
      parts_.sys.yield_point(YieldPoint::arm_write_due, id);
      // Without a reactor nobody waits for it.
      [[maybe_unused]] const auto given = parts_.give(ArmWritePacket{.id = id});
    }
  }

  /// The first look, and the slot's lock if that allows a direct write.
  [[gnu::always_inline]] bool try_direct(SharedSlot& slot, SocketId id) {
    const bool idle = slot.output.is_idle(id);
    if (idle) parts_.sys.yield_point(YieldPoint::direct_tries, id);
    if (!idle || !slot.lock.try_lock()) return false;
    parts_.sys.yield_point(YieldPoint::direct_locked, id);
    return true;
  }

  /// Requires: the slot's lock. Whether a write would be in order and reach the right socket.
  static bool may_write(const SharedSlot& slot, SocketId id, const Published& seen) {
    return slot.output.is_idle(id) && seen.send == SendMode::direct && slot.fd >= 0;
  }

  /// `whole`: nothing is left of the send. The reactor's own thread, the hot one without workers,
  /// counts without an atomic operation.
  void wrote(SharedSlot& slot, const Published& seen, std::size_t bytes, bool whole) {
    slot.direct_bytes += bytes;
    // A clock is read only where it matters; the reactor's, which may be asleep, does else.
    slot.direct_ms =
        seen.timed ? parts_.sys.now_ms() : parts_.shared.now_ms.load(std::memory_order_relaxed);
    const std::uint64_t writes = whole ? 1 : 0;
    if (parts_.on_reactor_thread()) {
      parts_.counters.direct_bytes_here.add(bytes);
      parts_.counters.direct_writes_here.add(writes);
    } else {
      parts_.counters.direct_bytes.fetch_add(bytes, std::memory_order_relaxed);
      parts_.counters.direct_writes.fetch_add(writes, std::memory_order_relaxed);
    }
  }

  /// One write(2) on the calling thread, if nothing is pending. Nothing when that is not possible:
  /// the payload is untouched then.
  template <typename Payload>
  [[gnu::always_inline]] std::optional<SendOutcome> write_stream(SharedSlot& slot, SocketId id,
                                                                 Payload& payload) {
    if (!try_direct(slot, id)) return std::nullopt;
    const Published seen = slot.seen();
    if (!may_write(slot, id, seen)) [[unlikely]] {
      unlock(slot, false);
      return std::nullopt;
    }
    if (parts_.batches_sends && parts_.on_reactor_thread() &&
        parts_.reactor->begin_send(id, slot.fd, payload)) {
      return SendOutcome::queued;
    }
    parts_.sys.yield_point(YieldPoint::direct_checked, id);
    const std::span<const std::byte> bytes = payload.bytes();
    const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    const Result<std::size_t> answer = parts_.sys.send(slot.fd, std::span(&part, 1));
    parts_.sys.yield_point(YieldPoint::direct_called, id);
    const std::size_t sent = answer.value_or(0);
    const bool whole = sent == bytes.size();
    if (sent > 0) wrote(slot, seen, sent, whole);
    if (whole) [[likely]] {
      unlock(slot, false);
      return SendOutcome::written;
    }
    // The reactor sends the rest, or tells the owner why not.
    slot.park(id, payload.rest(sent), hard_error(answer));
    parts_.sys.yield_point(YieldPoint::direct_parked, id);
    unlock(slot, true);
    parts_.counters.direct_remainders.fetch_add(1, std::memory_order_relaxed);
    return SendOutcome::queued;
  }

  /// One sendto(2), under the same conditions. `to` nullptr: the default destination.
  std::optional<SendOutcome> write_datagram(SharedSlot& slot, SocketId id,
                                            std::span<const std::byte> payload,
                                            const Endpoint* to) {
    if (!try_direct(slot, id)) return std::nullopt;
    const Endpoint* where = to != nullptr ? to : slot.address.get();
    const Published seen = slot.seen();
    const bool may = may_write(slot, id, seen) && !slot.addressing.changes() && where != nullptr;
    if (may) parts_.sys.yield_point(YieldPoint::direct_checked, id);
    const bool sent = may && parts_.sys.send_to(slot.fd, payload, *where).has_value();
    if (sent) parts_.sys.yield_point(YieldPoint::direct_called, id);
    if (sent) {
      wrote(slot, seen, payload.size(), true);
      parts_.counters.direct_datagrams.fetch_add(1, std::memory_order_relaxed);
    }
    unlock(slot, false);
    if (!sent) return std::nullopt;
    return SendOutcome::written;
  }

  /// What the output limit says. The total includes what is still on its way to the reactor.
  static bool within_limit(const SharedSlot& slot, SocketId id, std::size_t bytes) {
    const std::uint64_t limit = slot.limit.load(std::memory_order_relaxed);
    const std::uint64_t queued = slot.output.bytes(id).value_or(0);
    return bytes <= limit && queued <= limit - bytes;
  }

  Failure over_limit(SocketId id, LimitPolicy policy) {
    parts_.counters.limited_sends.fetch_add(1, std::memory_order_relaxed);
    if (policy == LimitPolicy::abort) {
      parts_.sys.yield_point(YieldPoint::limit_closes, id);
      [[maybe_unused]] const auto given =
          parts_.give(ClosePacket{.id = id, .mode = CloseMode::abortive});
    }
    return failure(std::errc::no_buffer_space);
  }

  Failure refuse(std::errc reason) {
    parts_.counters.refused_sends.fetch_add(1, std::memory_order_relaxed);
    return failure(reason);
  }

  /// Counts and parks the payload and tells the reactor, in the packet that `make(token)` builds.
  template <typename Make>
  Result<SendOutcome> queue(SharedSlot& slot, SocketId id, Block payload, const Published& seen,
                            Make make) {
    const std::size_t bytes = counted_bytes(seen.protocol, payload.size());
    switch (slot.output.add(id, bytes, slot.limit.load(std::memory_order_relaxed))) {
      case OutputCount::Added::yes:
        break;
      case OutputCount::Added::stale:
        return refuse(std::errc::bad_file_descriptor);
      case OutputCount::Added::full:
        return over_limit(id, seen.policy);
    }
    parts_.sys.yield_point(YieldPoint::send_counted, id);
    parts_.counters.queued_sends.fetch_add(1, std::memory_order_relaxed);
    return park(id, std::move(payload), bytes, make);
  }

  /// `bytes` were counted for it.
  template <typename Make>
  Result<SendOutcome> park(SocketId id, Block payload, std::size_t bytes, Make& make) {
    const Token token = parts_.shared.payloads.park(
        {.data = std::move(payload), .counted_for = id, .counted_bytes = bytes});
    parts_.sys.yield_point(YieldPoint::payload_parked, id);
    const Result<void> given = parts_.give(make(token));
    if (given) return SendOutcome::queued;
    parts_.shared.payloads.take(token);
    parts_.shared.slots.at(id).output.subtract(id, bytes);
    return Failure(given.error());
  }

  ServerParts<Sys>& parts_;
};

}  // namespace skysock
