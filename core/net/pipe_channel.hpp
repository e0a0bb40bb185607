#pragma once

#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "core/net/control_packet.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// The control channel over a pipe: any thread writes packets, the reactor reads them.
///
/// A packet is written with one write(2), which is atomic up to PIPE_BUF bytes, so packets never
/// mix. A full pipe blocks the writer: the reactor itself must never send.
template <Syscalls Sys>
class PipeChannel {
 public:
  /// One read takes a whole pipe's default capacity.
  static constexpr std::size_t kReadBytes = 65'536;

  static Result<PipeChannel> create(Sys& sys) {
    const Result<PipeEnds> ends = sys.make_pipe();
    if (!ends) return Failure(ends.error());
    return PipeChannel(sys, *ends);
  }

  PipeChannel(PipeChannel&& other) noexcept
      : sys_(other.sys_),
        ends_(std::exchange(other.ends_, PipeEnds{})),
        buffer_(std::move(other.buffer_)),
        held_(other.held_) {}
  PipeChannel& operator=(PipeChannel&&) = delete;
  PipeChannel(const PipeChannel&) = delete;
  PipeChannel& operator=(const PipeChannel&) = delete;
  ~PipeChannel() {
    if (ends_.read_fd < 0) return;
    sys_->close(ends_.read_fd);
    sys_->close(ends_.write_fd);
  }

  [[nodiscard]] int read_fd() const { return ends_.read_fd; }
  /// For harnesses that write raw bytes.
  [[nodiscard]] int write_fd() const { return ends_.write_fd; }

  /// Any thread but the reactor's. Blocks while the pipe is full. Errors: EPIPE when the reactor is
  /// gone.
  Result<void> send(const EncodedPacket& packet) {
    static_assert(kPacketBytesMax <= 4096, "PIPE_BUF: larger writes may be split");
    for (;;) {
      const Result<std::size_t> written = sys_->write(ends_.write_fd, packet.bytes());
      if (written) {
        SKYSOCK_CHECK(*written == packet.size);
        return {};
      }
      if (written.error() != std::errc::interrupted) return Failure(written.error());
    }
  }

  /// Reads once and calls `on_packet(std::expected<ControlPacket, ControlError>)` for every packet
  /// that is complete; the start of an incomplete one is kept for the next call. Reactor thread
  /// only.
  template <typename OnPacket>
  void receive(OnPacket&& on_packet) {
    const Result<std::size_t> got = sys_->read(ends_.read_fd, std::span(buffer_).subspan(held_));
    if (!got) return;  // EAGAIN or EINTR: the poller says again when there is something.
    const std::size_t end = held_ + *got;
    std::size_t at = 0;
    while (end - at >= kPacketHeaderBytes) {
      const std::size_t size = packet_bytes(buffer_[at + 1]);
      if (end - at < size) break;
      on_packet(decode(std::span(buffer_).subspan(at, size)));
      at += size;
    }
    held_ = end - at;
    std::memmove(buffer_.data(), buffer_.data() + at, held_);
  }

 private:
  PipeChannel(Sys& sys, PipeEnds ends) : sys_(&sys), ends_(ends), buffer_(kReadBytes) {}

  Sys* sys_;
  PipeEnds ends_;
  std::vector<std::byte> buffer_;
  std::size_t held_ =
      0;  ///< Bytes of an incomplete packet at the front; always less than one packet.
};

}  // namespace skysock
