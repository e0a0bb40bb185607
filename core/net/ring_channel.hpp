#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "core/base/check.hpp"
#include "core/net/doorbell.hpp"
#include "core/net/packet_cutter.hpp"

namespace skysock {

namespace detail {
/// How a sender waits for room: it looks again this often, then lets others run this often, then
/// sleeps in steps that double.
inline constexpr int kRoomSpins = 64;
inline constexpr int kRoomYields = 16;
inline constexpr std::chrono::microseconds kRoomSleepMin{8};
inline constexpr std::chrono::microseconds kRoomSleepMax{1'000};

/// One sender's wait for room, longer at every pause().
template <ChannelSys Sys>
class RoomWait {
 public:
  explicit RoomWait(Sys& sys) : sys_(&sys) {}

  void pause() {
    if (++pauses_ <= kRoomSpins) return;
    if (pauses_ <= kRoomSpins + kRoomYields) return sys_->yield_thread();
    std::this_thread::sleep_for(sleep_);
    sleep_ = std::min(2 * sleep_, kRoomSleepMax);
  }
  [[nodiscard]] bool begun() const { return pauses_ > 0; }

 private:
  Sys* sys_;
  int pauses_ = 0;
  std::chrono::microseconds sleep_ = kRoomSleepMin;
};
}  // namespace detail

/// The control channel over a lock-free ring of records in memory: any thread writes packets, the
/// reactor reads them. A system call is made only when the reactor sleeps, or when the ring is
/// full.
///
/// A record is a 4-byte header (size and "committed") and its bytes, rounded up to 8. A sender
/// reserves one by moving `tail`, copies its bytes, and commits by storing the header; the reader
/// stops at the first header that is 0, zeroes what it read and gives it back by moving `head`.
/// Positions count up for ever; a record lies at position % ring_bytes. The memory is one record
/// longer than the ring, so that a record that begins in the ring never wraps.
///
/// Invariants: head <= reader.at <= tail <= head + ring_bytes, and every byte of the ring outside
/// [head, tail) is 0, so no old byte is ever taken for a header.
template <ChannelSys Sys>
class RingChannel {
 public:
  static constexpr std::size_t kRingBytesMin = 16'384;
  static constexpr std::size_t kRingBytesMax = std::size_t{1} << 30U;
  static constexpr std::size_t kRingBytesDefault = std::size_t{1} << 20U;

  /// Errors: invalid_argument: `ring_bytes` is no power of two or outside its limits; an errno of
  /// eventfd(2).
  static Result<RingChannel> create(Sys& sys, std::size_t ring_bytes = kRingBytesDefault) {
    if (!std::has_single_bit(ring_bytes) || ring_bytes < kRingBytesMin ||
        ring_bytes > kRingBytesMax) {
      return failure(std::errc::invalid_argument);
    }
    const Result<int> event = Doorbell<Sys>::make_fd(sys);
    if (!event) return Failure(event.error());
    return RingChannel(std::make_unique<Ring>(sys, *event, ring_bytes));
  }

  /// What the poller watches for reading, between prepare_wait() and finish_wait().
  [[nodiscard]] int ready_fd() const { return ring_->doorbell.fd(); }
  /// Watched too, for wake(); -1: it is ready_fd().
  [[nodiscard]] int wake_fd() const { return -1; }

  /// Sends one packet. Any thread but the reactor's: it blocks while the ring is full. Errors:
  /// broken_pipe (EPIPE) after shut(). Cost: one copy; one write(2) when the reactor sleeps.
  Result<void> send(const EncodedPacket& packet) { return put_record(packet.bytes()); }

  /// Sends raw bytes, which arrive in one piece; the reader cuts the stream of all bytes into
  /// packets. For harnesses. As send(). Requires: at most kPieceBytesMax bytes.
  Result<void> send_bytes(std::span<const std::byte> bytes) {
    SKYSOCK_CHECK(bytes.size() <= kPieceBytesMax);
    if (bytes.empty()) return {};
    return put_record(bytes);
  }

  /// Reactor: whether receive() may find something. Cost: one load.
  [[nodiscard]] bool pending() const {
    return ring_->tail.load(std::memory_order_acquire) != ring_->reader.at;
  }

  /// Any thread: a place behind everything that this thread has sent.
  [[nodiscard]] std::uint64_t mark() const { return ring_->tail.load(); }
  /// Reactor: whether everything in front of `mark` was received. Cost: one load.
  [[nodiscard]] bool passed(std::uint64_t mark) const { return ring_->reader.at >= mark; }

  /// Reactor: calls `on_packet(std::expected<ControlPacket, ControlError>)` for every packet that
  /// is there, at most `packets_max`, and returns how many. What is left keeps pending() true.
  template <typename OnPacket>
  std::size_t receive(OnPacket&& on_packet, std::size_t packets_max) {
    std::size_t count = 0;
    while (count < packets_max) {
      const std::span<const std::byte> record = next_record();
      if (record.empty()) break;
      if (is_one_packet(record) && ring_->reader.cut_from == 0 && ring_->reader.partial.empty()) {
        on_packet(decode(record));
        ++count;
        finish_record(record.size());
      } else {
        count += receive_cut(record, packets_max - count, on_packet);
      }
    }
    return count;
  }

  /// Reactor, before it sleeps: a sender must signal from now on. False when something is pending
  /// or wake() was called since the last wait: then do not sleep, and do not call finish_wait().
  [[nodiscard]] bool prepare_wait() {
    const bool nobody_rang = ring_->doorbell.announce();
    if (nobody_rang && ring_->tail.load() == ring_->reader.at) {
      give_back();
      return true;
    }
    ring_->doorbell.withdraw();
    // The sender in the middle of the next record may need this processor to finish it.
    if (pending() && next_record().empty()) ring_->sys->yield_thread();
    return false;
  }
  /// Reactor, after the wait that prepare_wait() allowed. Cost: one read(2) when it was signalled.
  void finish_wait() { ring_->doorbell.withdraw(); }

  /// Any thread: ends the reactor's wait, or keeps its next one from beginning.
  void wake() { ring_->doorbell.ring(); }

  /// The reactor is gone: every send that waits or comes later gives EPIPE.
  void shut() { ring_->shut.store(true, std::memory_order_release); }

  [[nodiscard]] ChannelCounters counters() const {
    return {.signals = ring_->doorbell.signals(),
            .full_waits = ring_->full_waits.load(std::memory_order_relaxed),
            .reads = 0};
  }

 private:
  using Header = std::uint32_t;
  static constexpr Header kCommitted = Header{1} << 31U;
  static constexpr std::size_t kAlign = 8;
  /// The reader gives memory back in pieces of at least this or an eighth of the ring, so that
  /// `head` changes seldom; and all of it before it sleeps.
  static constexpr std::size_t kGiveBackBytes = 8'192;

  static constexpr std::size_t record_bytes(std::size_t bytes) {
    return (sizeof(Header) + bytes + kAlign - 1) & ~(kAlign - 1);
  }
  static constexpr std::size_t kRecordBytesMax = record_bytes(kPieceBytesMax);
  static_assert(kRingBytesMin / 8 + kRecordBytesMax <= kRingBytesMin,
                "a reader that has read all leaves room for any record");

  /// Of the reactor alone.
  struct Reader {
    std::uint64_t at = 0;          ///< Position of the record that is next.
    std::uint64_t given_back = 0;  ///< As in Ring::head.
    std::size_t cut_from = 0;      ///< How much of the record at `at` was received.
    PartialPacket partial;         ///< From records before `at`.
  };

  /// All state: it stays where it is while the channel moves.
  struct Ring {
    Ring(Sys& sys_in, int event_fd, std::size_t bytes)
        : sys(&sys_in),
          mask(bytes - 1),
          give_back_bytes(std::min(kGiveBackBytes, bytes / 8)),
          memory(std::make_unique<std::byte[]>(bytes + kRecordBytesMax)),
          doorbell(sys_in, event_fd) {}

    [[nodiscard]] std::size_t bytes() const { return mask + 1; }
    [[nodiscard]] std::byte* at(std::uint64_t position) { return &memory[position & mask]; }
    [[nodiscard]] std::atomic_ref<Header> header(std::uint64_t position) {
      return std::atomic_ref<Header>(*reinterpret_cast<Header*>(at(position)));
    }

    Sys* const sys;
    const std::uint64_t mask;
    const std::size_t give_back_bytes;
    const std::unique_ptr<std::byte[]> memory;
    std::atomic<bool> shut = false;
    std::atomic<std::uint64_t> full_waits = 0;
    Doorbell<Sys> doorbell;
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> tail = 0;
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> head = 0;
    alignas(kCacheLineBytes) Reader reader;
  };

  explicit RingChannel(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}

  // ---- Senders

  Result<void> put_record(std::span<const std::byte> bytes) {
    Ring& ring = *ring_;
    if (ring.shut.load(std::memory_order_acquire)) return failure(std::errc::broken_pipe);
    const std::optional<std::uint64_t> position = reserve(record_bytes(bytes.size()));
    if (!position) return failure(std::errc::broken_pipe);
    ring.sys->yield_point(YieldPoint::ring_reserved);
    std::memcpy(ring.at(*position) + sizeof(Header), bytes.data(), bytes.size());
    ring.header(*position).store(static_cast<Header>(bytes.size()) | kCommitted,
                                 std::memory_order_release);
    ring.sys->yield_point(YieldPoint::ring_committed);
    ring.doorbell.ring_if_sleeping();
    return {};
  }

  /// The position of `size` bytes that are ours now; nothing when the channel was shut meanwhile.
  std::optional<std::uint64_t> reserve(std::size_t size) {
    Ring& ring = *ring_;
    std::uint64_t position = ring.tail.load(std::memory_order_relaxed);
    detail::RoomWait<Sys> wait(*ring.sys);
    for (;;) {
      // Acquire: the reader's zeroes come before our bytes.
      const std::uint64_t head = ring.head.load(std::memory_order_acquire);
      if (position + size <= head + ring.bytes()) {
        // Sequentially consistent: see Doorbell.
        if (ring.tail.compare_exchange_weak(position, position + size)) return position;
        continue;
      }
      if (ring.shut.load(std::memory_order_acquire)) return std::nullopt;
      if (!wait.begun()) ring.full_waits.fetch_add(1, std::memory_order_relaxed);
      wait.pause();
      position = ring.tail.load(std::memory_order_relaxed);
    }
  }

  // ---- Reader

  /// The bytes of the next record; empty when none is committed.
  std::span<const std::byte> next_record() {
    const std::uint64_t at = ring_->reader.at;
    const Header header = ring_->header(at).load(std::memory_order_acquire);
    return {ring_->at(at) + sizeof(Header), header & ~kCommitted};
  }

  /// A record that is more or less than one packet, or that continues one.
  template <typename OnPacket>
  std::size_t receive_cut(std::span<const std::byte> record, std::size_t packets_max,
                          OnPacket& on_packet) {
    Reader& reader = ring_->reader;
    std::span<const std::byte> rest = record.subspan(reader.cut_from);
    std::size_t count = 0;
    if (!reader.partial.empty() && reader.partial.fill_from(rest)) {
      on_packet(decode(reader.partial.bytes()));
      reader.partial.clear();
      ++count;
    }
    count += cut_packets(rest, packets_max - count, on_packet);
    if (starts_with_packet(rest)) {
      reader.cut_from = record.size() - rest.size();
      return count;
    }
    const bool whole = reader.partial.fill_from(rest);
    SKYSOCK_CHECK(!whole);
    SKYSOCK_CHECK(rest.empty());
    reader.cut_from = 0;
    finish_record(record.size());
    return count;
  }

  void finish_record(std::size_t bytes) {
    Reader& reader = ring_->reader;
    reader.at += record_bytes(bytes);
    if (reader.at - reader.given_back >= ring_->give_back_bytes) give_back();
  }

  void give_back() {
    Ring& ring = *ring_;
    if (ring.reader.given_back == ring.reader.at) return;
    const std::size_t from = ring.reader.given_back & ring.mask;
    const std::size_t count = ring.reader.at - ring.reader.given_back;
    const std::size_t up_to_end = std::min(count, ring.bytes() - from);
    std::memset(&ring.memory[from], 0, up_to_end);
    std::memset(&ring.memory[0], 0, count - up_to_end);
    ring.reader.given_back = ring.reader.at;
    ring.head.store(ring.reader.at, std::memory_order_release);
  }

  std::unique_ptr<Ring> ring_;
};

}  // namespace skysock
