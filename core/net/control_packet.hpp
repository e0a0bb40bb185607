#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/net/types.hpp"
#include "core/net/udp_address.hpp"

// Control packets: how any thread tells the reactor what to do. A packet is two header bytes (type,
// payload length) and at most 255 payload bytes, so it is written to the pipe whole. It carries ids
// and tokens, never a pointer or a file descriptor: whatever bytes arrive, the worst outcome is an
// error. Source: the letters are those of skynet's send_request(), as the seeds of 2018 have them
// (today's skynet: 'R' is our 'S').

namespace skysock {

/// Names a payload or a descriptor parked in a TokenTable; 0 is never issued.
using Token = std::uint64_t;

inline constexpr std::size_t kPacketHeaderBytes = 2;
inline constexpr std::size_t kPacketPayloadBytesMax = 255;
inline constexpr std::size_t kPacketBytesMax = kPacketHeaderBytes + kPacketPayloadBytesMax;
/// Longer names are refused before anything is reserved; DNS allows 253, and the rest of the packet
/// must fit too.
inline constexpr std::size_t kHostBytesMax = 200;

/// 'S': start a listener or an accepted connection, or take over a socket.
struct StartPacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  bool operator==(const StartPacket&) const = default;
};

/// 'L': adopt a listening descriptor.
struct ListenPacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  Token fd = 0;
  bool operator==(const ListenPacket&) const = default;
};

/// 'O': connect. `host` is 1 to kHostBytesMax bytes without NUL; on the wire it ends with one.
struct OpenPacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  std::uint16_t port = 0;
  std::string host;
  bool operator==(const OpenPacket&) const = default;
};

/// 'B': adopt a descriptor that stays somebody else's.
struct BindPacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  Token fd = 0;
  bool operator==(const BindPacket&) const = default;
};

/// 'U': adopt a datagram socket.
struct UdpPacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  Token fd = 0;
  bool operator==(const UdpPacket&) const = default;
};

/// 'N': adopt a datagram socket that has a default address.
struct DialPacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  Token fd = 0;
  UdpAddress address;
  bool operator==(const DialPacket&) const = default;
};

/// 'K': close or shut down.
struct ClosePacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  CloseMode mode = CloseMode::soft;
  CloseAnswer answer = CloseAnswer::not_needed;
  bool operator==(const ClosePacket&) const = default;
};

/// 'D' (high) or 'P' (low): send a parked payload.
struct SendPacket {
  SocketId id = 0;
  Token payload = 0;
  Priority priority = Priority::high;
  bool operator==(const SendPacket&) const = default;
};

/// 'A': send a parked payload as a datagram to an address.
struct SendToPacket {
  SocketId id = 0;
  Token payload = 0;
  UdpAddress address;
  bool operator==(const SendToPacket&) const = default;
};

/// 'C': the default address of a datagram socket.
struct SetAddressPacket {
  SocketId id = 0;
  UdpAddress address;
  bool operator==(const SetAddressPacket&) const = default;
};

/// 'T': set an option. `value` is one that the option takes.
struct OptionPacket {
  SocketId id = 0;
  ConnectionOption option = ConnectionOption::nodelay;
  std::int64_t value = 0;
  bool operator==(const OptionPacket&) const = default;
};

enum class HoldMode : std::uint8_t {
  hold,       ///< Stop reading until the next start.
  hand_over,  ///< The owner gives the socket up.
  give_back,  ///< `payload` was received and not used.
  done,       ///< Nothing more is given back.
};

/// 'H': hold, or a step of a hand-over. `payload` is 0 unless bytes are given back.
struct HoldPacket {
  SocketId id = 0;
  ServiceHandle requester = 0;
  HoldMode mode = HoldMode::hold;
  Token payload = 0;
  bool operator==(const HoldPacket&) const = default;
};

/// 'W': a direct write left a remainder for the reactor.
struct ArmWritePacket {
  SocketId id = 0;
  bool operator==(const ArmWritePacket&) const = default;
};

/// 'X': end the reactor.
struct ExitPacket {
  bool operator==(const ExitPacket&) const = default;
};

using ControlPacket =
    std::variant<StartPacket, ListenPacket, OpenPacket, BindPacket, UdpPacket, DialPacket,
                 ClosePacket, SendPacket, SendToPacket, SetAddressPacket, OptionPacket, HoldPacket,
                 ArmWritePacket, ExitPacket>;
inline constexpr std::size_t kPacketKindCount = std::variant_size_v<ControlPacket>;

/// The letters of all packets, in the order of the variant's alternatives; a SendPacket has two.
inline constexpr std::array<std::string_view, kPacketKindCount> kPacketLetters = {
    "S", "L", "O", "B", "U", "N", "K", "DP", "A", "C", "T", "H", "W", "X"};

enum class ControlError : std::uint8_t {
  no_header,     ///< Fewer than two bytes.
  unknown_type,  ///< No packet has this letter.
  wrong_length,  ///< The length byte is illegal for the type, or is not the number of bytes that
                 ///< follow.
  bad_id,        ///< An id outside 1 to 2^31-1.
  bad_flags,     ///< 'K' with an unknown flag, 'H' with an unknown mode, 'T' with an unknown option
                 ///< or a value that no socket takes.
  bad_address,   ///< 'A', 'C' or 'N' with an unknown family or a length that is not the family's.
  unterminated_host,  ///< 'O' whose last byte is not NUL, or with a NUL inside the name.
};

std::string_view to_text(ControlError error);

/// A packet as it travels.
struct EncodedPacket {
  std::array<std::byte, kPacketBytesMax> storage;  ///< Only the first `size` bytes mean something.
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(storage).first(size); }
};

/// Requires: `packet` is what decode() could return (a valid id, a host within its limits).
EncodedPacket encode(const ControlPacket& packet);

/// Reads exactly one packet, header included. Pure: the same bytes give the same answer, and
/// encode() of the answer gives the same bytes. Never throws but for memory.
std::expected<ControlPacket, ControlError> decode(std::span<const std::byte> bytes);

/// Size of the packet that starts with this header, header included.
constexpr std::size_t packet_bytes(std::byte length) {
  return kPacketHeaderBytes + std::to_integer<std::size_t>(length);
}

}  // namespace skysock
