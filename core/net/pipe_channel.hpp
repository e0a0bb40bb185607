#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "core/base/check.hpp"
#include "core/net/doorbell.hpp"
#include "core/net/packet_cutter.hpp"

namespace skysock {

/// The control channel over a pipe: any thread writes packets, the reactor reads them. The same
/// interface as RingChannel, whose comments hold here too.
///
/// A packet is written with one write(2), which is atomic up to PIPE_BUF bytes, so packets never
/// mix. A full pipe blocks the writer: the reactor itself must never send. `ring_bytes` means
/// nothing: the kernel says how much a pipe holds.
template <ChannelSys Sys>
class PipeChannel {
 public:
  /// One read takes a whole pipe's default capacity.
  static constexpr std::size_t kReadBytes = 65'536;

  /// Errors: an errno of pipe2(2) or eventfd(2).
  static Result<PipeChannel> create(Sys& sys, std::size_t /*ring_bytes*/ = 0) {
    const Result<PipeEnds> ends = sys.make_pipe();
    if (!ends) return Failure(ends.error());
    const Result<int> event = Doorbell<Sys>::make_fd(sys);
    if (event) return PipeChannel(std::make_unique<Pipe>(sys, *ends, *event));
    sys.close(ends->read_fd);
    sys.close(ends->write_fd);
    return Failure(event.error());
  }

  [[nodiscard]] int ready_fd() const { return pipe_->ends.read_fd; }
  [[nodiscard]] int wake_fd() const { return pipe_->doorbell.fd(); }

  /// Any thread but the reactor's: blocks while the pipe is full. Errors: broken_pipe (EPIPE) after
  /// shut(); an errno of write(2). Cost: one write(2).
  Result<void> send(const EncodedPacket& packet) { return write_piece(packet.bytes()); }

  /// As send(). Requires: at most kPieceBytesMax bytes.
  Result<void> send_bytes(std::span<const std::byte> bytes) {
    SKYSOCK_CHECK(bytes.size() <= kPieceBytesMax);
    if (bytes.empty()) return {};
    return write_piece(bytes);
  }

  /// Cost: one load. True while a sender is in its write(2), too.
  [[nodiscard]] bool pending() const {
    return in_flight(std::memory_order_acquire) || starts_with_packet(pipe_->reader.bytes());
  }

  [[nodiscard]] std::uint64_t mark() const { return pipe_->sent.load(); }
  /// A write(2) that failed leaves marks behind it too high: then all is read, too.
  [[nodiscard]] bool passed(std::uint64_t mark) const {
    return pipe_->reader.taken - pipe_->reader.bytes().size() >= mark || !pending();
  }

  /// Cost: one read(2); none when there is nothing, or `packets_max` packets were read before.
  template <typename OnPacket>
  std::size_t receive(OnPacket&& on_packet, std::size_t packets_max) {
    Reader& reader = pipe_->reader;
    const std::size_t count = cut(packets_max, on_packet);
    if (count == packets_max || !in_flight(std::memory_order_acquire)) return count;
    const Result<std::size_t> got = read_some(reader.free_room());
    if (!got) return count;
    reader.end += *got;
    return count + cut(packets_max - count, on_packet);
  }

  [[nodiscard]] bool prepare_wait() {
    const bool nobody_rang = pipe_->doorbell.announce();
    if (nobody_rang && !pending()) return true;
    pipe_->doorbell.withdraw();
    return false;
  }
  void finish_wait() { pipe_->doorbell.withdraw(); }

  void wake() { pipe_->doorbell.ring(); }

  /// The reactor is gone: every send that waits or comes later gives EPIPE. Called by the reactor's
  /// thread, or after its end. Reads until no sender is left inside write(2): closing the read end
  /// would give them a SIGPIPE.
  void shut() {
    pipe_->shut.store(true);
    pipe_->reader.begin = pipe_->reader.end = 0;
    while (in_flight(std::memory_order_seq_cst)) {
      const Result<std::size_t> got = read_some(pipe_->reader.free_room());
      if (!got && !passes_by(got.error())) return;
    }
  }

  [[nodiscard]] ChannelCounters counters() const {
    return {.signals = pipe_->doorbell.signals(),
            .full_waits = 0,
            .reads = pipe_->reads.load(std::memory_order_relaxed)};
  }

 private:
  /// Of the reactor alone. Invariant: begin <= end <= buffer.size(); between calls less than one
  /// packet, or what `packets_max` left over.
  struct Reader {
    [[nodiscard]] std::span<const std::byte> bytes() const {
      return std::span(buffer).subspan(begin, end - begin);
    }
    /// Moves the bytes to the front. Returns the room behind them.
    std::span<std::byte> free_room() {
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= std::exchange(begin, 0);
      return std::span(buffer).subspan(end);
    }

    std::vector<std::byte> buffer = std::vector<std::byte>(kReadBytes + kPacketBytesMax);
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint64_t taken = 0;  ///< Bytes that were read so far.
  };

  /// All state: it stays where it is while the channel moves.
  struct Pipe {
    Pipe(Sys& sys_in, PipeEnds ends_in, int event_fd)
        : sys(&sys_in), ends(ends_in), doorbell(sys_in, event_fd) {}
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
      sys->close(ends.read_fd);
      sys->close(ends.write_fd);
    }

    Sys* const sys;
    const PipeEnds ends;
    std::atomic<bool> shut = false;
    Doorbell<Sys> doorbell;
    /// Bytes that were written or will be: added before write(2).
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> sent = 0;
    alignas(kCacheLineBytes) Reader reader;
    std::atomic<std::uint64_t> reads = 0;  ///< Written by the reactor alone.
  };

  explicit PipeChannel(std::unique_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}

  /// Reactor: whether there are bytes in the pipe, or will be at once.
  [[nodiscard]] bool in_flight(std::memory_order order) const {
    return pipe_->sent.load(order) != pipe_->reader.taken;
  }

  Result<void> write_piece(std::span<const std::byte> bytes) {
    pipe_->sent.fetch_add(bytes.size());
    pipe_->sys->yield_point(YieldPoint::pipe_counted);
    // Of "shut() waits for our bytes" and "we see shut" one is true: all four accesses are in one
    // total order.
    Result<std::size_t> written = failure(std::errc::broken_pipe);
    if (!pipe_->shut.load()) written = write_whole(bytes);
    if (!written) {
      pipe_->sent.fetch_sub(bytes.size());
      return Failure(written.error());
    }
    pipe_->sys->yield_point(YieldPoint::pipe_written);
    if (pipe_->shut.load()) return failure(std::errc::broken_pipe);
    return {};
  }

  Result<std::size_t> write_whole(std::span<const std::byte> bytes) {
    for (;;) {
      const Result<std::size_t> written = pipe_->sys->write(pipe_->ends.write_fd, bytes);
      if (written) SKYSOCK_CHECK(*written == bytes.size());
      if (written || written.error() != std::errc::interrupted) return written;
    }
  }

  template <typename OnPacket>
  std::size_t cut(std::size_t packets_max, OnPacket& on_packet) {
    Reader& reader = pipe_->reader;
    std::span<const std::byte> rest = reader.bytes();
    const std::size_t count = cut_packets(rest, packets_max, on_packet);
    reader.begin = reader.end - rest.size();
    return count;
  }

  Result<std::size_t> read_some(std::span<std::byte> room) {
    pipe_->reads.store(pipe_->reads.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    const Result<std::size_t> got = pipe_->sys->read(pipe_->ends.read_fd, room);
    if (got) {
      pipe_->reader.taken += *got;
    } else if (passes_by(got.error())) {
      pipe_->sys->yield_thread();  // A sender is on its way into write(2).
    }
    return got;
  }

  static bool passes_by(std::error_code error) {
    return error == std::errc::resource_unavailable_try_again || error == std::errc::interrupted;
  }

  std::unique_ptr<Pipe> pipe_;
};

}  // namespace skysock
