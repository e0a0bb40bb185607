#pragma once

#include <poll.h>

#include <span>

#include "core/base/check.hpp"
#include "core/net/control_packet.hpp"
#include "core/sys/linux.hpp"

namespace skysock::bench {

/// A control channel as simple as can be, the baseline of ours: one write(2) per packet, then one
/// read(2) for its header and one for the rest; skynet asks select(2) in between, too. One thread
/// sends, one receives. Source: block_readpipe(), ctrl_cmd().
class BarePipe {
 public:
  explicit BarePipe(LinuxSys& sys) : sys_(&sys) {
    const Result<PipeEnds> ends = sys.make_pipe();
    SKYSOCK_CHECK(ends.has_value());
    ends_ = *ends;
  }
  BarePipe(const BarePipe&) = delete;
  BarePipe& operator=(const BarePipe&) = delete;
  ~BarePipe() {
    sys_->close(ends_.read_fd);
    sys_->close(ends_.write_fd);
  }

  bool send(const EncodedPacket& packet) {
    return sys_->write(ends_.write_fd, packet.bytes()).has_value();
  }

  /// The next packet as it came; of size 0 when none comes within `limit_ms`. Valid until the next
  /// call.
  std::span<const std::byte> receive(int limit_ms) {
    const std::span<std::byte> whole(packet_.storage);
    packet_.size = 0;
    if (!read(whole.first(kPacketHeaderBytes), limit_ms)) return {};
    const std::size_t size = packet_bytes(packet_.storage[1]);
    if (!read(whole.first(size).subspan(kPacketHeaderBytes), limit_ms)) return {};
    packet_.size = size;
    return packet_.bytes();
  }

 private:
  bool read(std::span<std::byte> into, int limit_ms) {
    for (;;) {
      const Result<std::size_t> got = sys_->read(ends_.read_fd, into);
      if (got) return *got == into.size();
      pollfd readable{.fd = ends_.read_fd, .events = POLLIN, .revents = 0};
      if (::poll(&readable, 1, limit_ms) <= 0) return false;
    }
  }

  LinuxSys* sys_;
  PipeEnds ends_;
  EncodedPacket packet_;
};

}  // namespace skysock::bench
