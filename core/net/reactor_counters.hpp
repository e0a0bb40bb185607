#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "core/net/connection_state.hpp"
#include "core/net/control_packet.hpp"

namespace skysock {

/// A count that one thread writes and any thread reads. Cost: a load, an add, a store.
class Counter {
 public:
  void add(std::uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Always-on counts of the reactor, which alone writes them, and of the senders.
struct ReactorCounters {
  Counter accepts;
  std::array<Counter, kPacketKindCount> packets;  ///< By kind, in the order of ControlPacket.
  Counter decode_errors;
  Counter stale_tokens;     ///< Packets whose token named nothing, or somebody else's payload.
  Counter dropped_sends;    ///< Payloads freed because the socket could not take them.
  Counter stale_events;     ///< Events of a socket that was gone by then.
  Counter refused_accepts;  ///< Connections closed for want of a descriptor or a slot.
  Counter bytes_read;
  Counter bytes_written;  ///< By the reactor.
  Counter datagrams_read;
  Counter datagrams_written;                ///< By the reactor.
  Counter warnings;                         ///< WARNING events, "drained" ones aside.
  Counter refused_events;                   ///< Events whose owner was gone.
  Counter waits;                            ///< Calls of the poller.
  Counter wakeups;                          ///< Calls of the poller that found something.
  Counter busy_polls;                       ///< Times that the reactor asked before it slept,
  Counter busy_polls_in_vain;               ///< and had to sleep after all.
  Counter events;                           ///< Sockets that the poller reported.
  std::array<Counter, kInputCount> closes;  ///< Sockets freed, by the input that did it.

  Counter direct_writes_here;  ///< Of direct_writes, those on the reactor's thread.
  Counter direct_bytes_here;

  // Any other thread writes these.
  std::atomic<std::uint64_t> direct_writes{0};  ///< Sends that the kernel took whole.
  std::atomic<std::uint64_t> direct_bytes{0};
  std::atomic<std::uint64_t> direct_datagrams{0};   ///< Of direct_writes, on any thread.
  std::atomic<std::uint64_t> direct_remainders{0};  ///< Direct writes that left a rest.
  std::atomic<std::uint64_t> queued_sends{0};
  std::atomic<std::uint64_t> refused_sends{0};  ///< Unknown, closed or closing id.
  std::atomic<std::uint64_t> limited_sends{0};  ///< Beyond the limit of queued output.
};

}  // namespace skysock
