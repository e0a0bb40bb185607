#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "core/net/control_packet.hpp"

namespace skysock {

/// What both control channels count; each number may be a moment old.
struct ChannelCounters {
  std::uint64_t signals = 0;     ///< Writes to the eventfd.
  std::uint64_t full_waits = 0;  ///< Sends that had to wait for room. A pipe does not tell: 0.
  std::uint64_t reads = 0;       ///< Calls of read(2) for packets. A ring needs none: 0.
};

/// Raw bytes are written in pieces that stay whole: PIPE_BUF of Linux.
inline constexpr std::size_t kPieceBytesMax = 4'096;
static_assert(kPacketBytesMax <= kPieceBytesMax);

/// Whether `bytes` is exactly one packet by its length byte.
constexpr bool is_one_packet(std::span<const std::byte> bytes) {
  return bytes.size() >= kPacketHeaderBytes && packet_bytes(bytes[1]) == bytes.size();
}

/// Whether a whole packet is at the front of `bytes`.
constexpr bool starts_with_packet(std::span<const std::byte> bytes) {
  return bytes.size() >= kPacketHeaderBytes && packet_bytes(bytes[1]) <= bytes.size();
}

/// Calls `on_packet(decode(packet))` for the packets at the front of `stream`, at most
/// `packets_max`, and returns how many; `stream` keeps what was not cut off. Packets are cut by
/// their length byte alone, so a malformed one costs only itself.
template <typename OnPacket>
std::size_t cut_packets(std::span<const std::byte>& stream, std::size_t packets_max,
                        OnPacket& on_packet) {
  std::size_t count = 0;
  while (count < packets_max && starts_with_packet(stream)) {
    const std::size_t size = packet_bytes(stream[1]);
    on_packet(decode(stream.first(size)));
    stream = stream.subspan(size);
    ++count;
  }
  return count;
}

/// The front of a packet whose rest has not arrived. Invariant: less than one packet between calls.
class PartialPacket {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// Moves bytes from the front of `stream` here until one packet is whole or `stream` is empty.
  /// Returns whether it is whole: then the caller decodes bytes() and calls clear().
  bool fill_from(std::span<const std::byte>& stream) {
    if (size_ < kPacketHeaderBytes) take(stream, kPacketHeaderBytes);
    if (size_ < kPacketHeaderBytes) return false;
    take(stream, packet_bytes(storage_[1]));
    return is_one_packet(bytes());
  }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return std::span(storage_).first(size_);
  }
  void clear() { size_ = 0; }

 private:
  void take(std::span<const std::byte>& stream, std::size_t up_to) {
    const std::size_t count = std::min(up_to - size_, stream.size());
    if (count == 0) return;
    std::memcpy(storage_.data() + size_, stream.data(), count);
    stream = stream.subspan(count);
    size_ += count;
  }

  std::array<std::byte, kPacketBytesMax> storage_{};
  std::size_t size_ = 0;
};

}  // namespace skysock
