#include "core/net/control_packet.hpp"

#include <algorithm>
#include <optional>

#include "core/base/bytes.hpp"

namespace skysock {
namespace {

constexpr std::size_t kStartBytes = 8;
constexpr std::size_t kListenBytes = 16;
constexpr std::size_t kOpenFixedBytes = 10;
constexpr std::size_t kCloseBytes = 9;
constexpr std::size_t kSendBytes = 12;

constexpr std::uint8_t kFlagAbortive = 1;
constexpr std::uint8_t kFlagAnswer = 2;
constexpr std::uint8_t kFlagsAll = kFlagAbortive | kFlagAnswer;

struct LegalLength {
  char type;
  std::size_t min;
  std::size_t max;
};

constexpr std::array kLegalLengths = {
    LegalLength{'S', kStartBytes, kStartBytes},
    LegalLength{'L', kListenBytes, kListenBytes},
    LegalLength{'O', kOpenFixedBytes + 2, kOpenFixedBytes + kHostBytesMax + 1},
    LegalLength{'K', kCloseBytes, kCloseBytes},
    LegalLength{'D', kSendBytes, kSendBytes},
    LegalLength{'P', kSendBytes, kSendBytes},
    LegalLength{'X', 0, 0},
};
static_assert(std::ranges::all_of(kLegalLengths, [](const LegalLength& legal) {
  return legal.min <= legal.max && legal.max <= kPacketPayloadBytesMax;
}));

using Payload = std::span<const std::byte>;
using Decoded = std::expected<ControlPacket, ControlError>;

Decoded decode_open(Payload payload, SocketId id, ServiceHandle requester) {
  const Payload name = payload.subspan(kOpenFixedBytes);
  const auto nul = std::ranges::find(name, std::byte{0});
  if (nul == name.end() || nul + 1 != name.end()) {
    return std::unexpected(ControlError::unterminated_host);
  }
  return OpenPacket{.id = id,
                    .requester = requester,
                    .port = get<std::uint16_t>(payload, 8),
                    .host = {reinterpret_cast<const char*>(name.data()), name.size() - 1}};
}

Decoded decode_close(Payload payload, SocketId id, ServiceHandle requester) {
  const auto flags = get<std::uint8_t>(payload, 8);
  if ((flags & ~kFlagsAll) != 0) return std::unexpected(ControlError::bad_flags);
  return ClosePacket{
      .id = id,
      .requester = requester,
      .mode = (flags & kFlagAbortive) != 0 ? CloseMode::abortive : CloseMode::soft,
      .answer = (flags & kFlagAnswer) != 0 ? CloseAnswer::wanted : CloseAnswer::not_needed};
}

SendPacket decode_send(Payload payload, SocketId id, Priority priority) {
  return {.id = id, .payload = get<std::uint64_t>(payload, 4), .priority = priority};
}

/// Requires: the length is legal for the type; every type but 'X' starts with an id.
Decoded decode_payload(char type, Payload payload) {
  if (type == 'X') return ExitPacket{};
  const auto id = get<SocketId>(payload, 0);
  if (id <= 0) return std::unexpected(ControlError::bad_id);
  if (type == 'D') return decode_send(payload, id, Priority::high);
  if (type == 'P') return decode_send(payload, id, Priority::low);
  const auto requester = get<ServiceHandle>(payload, 4);
  if (type == 'O') return decode_open(payload, id, requester);
  if (type == 'K') return decode_close(payload, id, requester);
  if (type == 'L') return ListenPacket{id, requester, get<Token>(payload, 8)};
  SKYSOCK_CHECK(type == 'S');
  return StartPacket{id, requester};
}

/// Writes the fields in order behind the header.
template <typename... Fields>
EncodedPacket encode_fields(char type, Fields... fields) {
  EncodedPacket encoded;
  const std::size_t payload_bytes = (sizeof fields + ... + 0U);
  std::span<std::byte> rest = encoded.storage;
  rest = put(rest, type);
  rest = put(rest, static_cast<std::uint8_t>(payload_bytes));
  ((rest = put(rest, fields)), ...);
  encoded.size = kPacketHeaderBytes + payload_bytes;
  return encoded;
}

struct Encoder {
  EncodedPacket operator()(const StartPacket& packet) const {
    return encode_fields('S', packet.id, packet.requester);
  }
  EncodedPacket operator()(const ListenPacket& packet) const {
    return encode_fields('L', packet.id, packet.requester, packet.fd);
  }
  EncodedPacket operator()(const OpenPacket& packet) const {
    SKYSOCK_CHECK(!packet.host.empty() && packet.host.size() <= kHostBytesMax);
    SKYSOCK_CHECK(packet.host.find('\0') == std::string::npos);
    EncodedPacket encoded = encode_fields('O', packet.id, packet.requester, packet.port);
    std::memcpy(encoded.storage.data() + encoded.size, packet.host.c_str(), packet.host.size() + 1);
    encoded.size += packet.host.size() + 1;
    encoded.storage[1] = static_cast<std::byte>(encoded.size - kPacketHeaderBytes);
    return encoded;
  }
  EncodedPacket operator()(const ClosePacket& packet) const {
    const int flags = (packet.mode == CloseMode::abortive ? kFlagAbortive : 0) |
                      (packet.answer == CloseAnswer::wanted ? kFlagAnswer : 0);
    return encode_fields('K', packet.id, packet.requester, static_cast<std::uint8_t>(flags));
  }
  EncodedPacket operator()(const SendPacket& packet) const {
    return encode_fields(packet.priority == Priority::high ? 'D' : 'P', packet.id, packet.payload);
  }
  EncodedPacket operator()(const ExitPacket&) const { return encode_fields('X'); }
};

}  // namespace

std::string_view to_text(ControlError error) {
  switch (error) {
    case ControlError::no_header:
      return "fewer than two bytes";
    case ControlError::unknown_type:
      return "unknown packet type";
    case ControlError::wrong_length:
      return "payload length is illegal for the type";
    case ControlError::bad_id:
      return "socket id outside 1 to 2^31-1";
    case ControlError::bad_flags:
      return "unknown close flag";
    case ControlError::unterminated_host:
      return "host name is not terminated exactly once";
  }
  return "not a ControlError";
}

EncodedPacket encode(const ControlPacket& packet) { return std::visit(Encoder{}, packet); }

Decoded decode(std::span<const std::byte> bytes) {
  if (bytes.size() < kPacketHeaderBytes) return std::unexpected(ControlError::no_header);
  const auto type = get<char>(bytes, 0);
  const auto legal = std::ranges::find(kLegalLengths, type, &LegalLength::type);
  if (legal == kLegalLengths.end()) return std::unexpected(ControlError::unknown_type);
  const Payload payload = bytes.subspan(kPacketHeaderBytes);
  if (payload.size() != std::to_integer<std::size_t>(bytes[1]) || payload.size() < legal->min ||
      payload.size() > legal->max) {
    return std::unexpected(ControlError::wrong_length);
  }
  return decode_payload(type, payload);
}

}  // namespace skysock
