#include "core/net/control_packet.hpp"

#include <algorithm>
#include <optional>

#include "core/base/bytes.hpp"

namespace skysock {
namespace {

constexpr std::size_t kStartBytes = 8;
constexpr std::size_t kAdoptBytes = 16;
constexpr std::size_t kOpenFixedBytes = 10;
constexpr std::size_t kCloseBytes = 9;
constexpr std::size_t kSendBytes = 12;
constexpr std::size_t kSetAddressFixedBytes = 4;
constexpr std::size_t kOptionBytes = 13;
constexpr std::size_t kHoldBytes = 17;
constexpr std::size_t kArmWriteBytes = 4;

constexpr std::uint8_t kFlagAbortive = 1;
constexpr std::uint8_t kFlagAnswer = 2;
constexpr std::uint8_t kFlagsAll = kFlagAbortive | kFlagAnswer;

struct LegalLength {
  char type;
  std::size_t min;
  std::size_t max;
};

consteval LegalLength with_address(char type, std::size_t fixed) {
  return {.type = type, .min = fixed + UdpAddress::kBytesV4, .max = fixed + UdpAddress::kBytesV6};
}

constexpr std::array kLegalLengths = {
    LegalLength{'S', kStartBytes, kStartBytes},
    LegalLength{'L', kAdoptBytes, kAdoptBytes},
    LegalLength{'O', kOpenFixedBytes + 2, kOpenFixedBytes + kHostBytesMax + 1},
    LegalLength{'B', kAdoptBytes, kAdoptBytes},
    LegalLength{'U', kAdoptBytes, kAdoptBytes},
    with_address('N', kAdoptBytes),
    LegalLength{'K', kCloseBytes, kCloseBytes},
    LegalLength{'D', kSendBytes, kSendBytes},
    LegalLength{'P', kSendBytes, kSendBytes},
    with_address('A', kSendBytes),
    with_address('C', kSetAddressFixedBytes),
    LegalLength{'T', kOptionBytes, kOptionBytes},
    LegalLength{'H', kHoldBytes, kHoldBytes},
    LegalLength{'W', kArmWriteBytes, kArmWriteBytes},
    LegalLength{'X', 0, 0},
};
static_assert(std::ranges::all_of(kLegalLengths, [](const LegalLength& legal) {
  return legal.min <= legal.max && legal.max <= kPacketPayloadBytesMax;
}));

/// The legal lengths by letter; a type of 0 marks a letter that no packet has.
constexpr auto kLegalByLetter = [] {
  std::array<LegalLength, 256> table{};
  for (const LegalLength& legal : kLegalLengths) {
    table[static_cast<unsigned char>(legal.type)] = legal;
  }
  return table;
}();

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

Decoded decode_hold(Payload payload, SocketId id, ServiceHandle requester) {
  const auto mode = get<std::uint8_t>(payload, 8);
  if (mode > static_cast<std::uint8_t>(HoldMode::done)) {
    return std::unexpected(ControlError::bad_flags);
  }
  return HoldPacket{.id = id,
                    .requester = requester,
                    .mode = static_cast<HoldMode>(mode),
                    .payload = get<Token>(payload, 9)};
}

Decoded decode_option(Payload payload, SocketId id) {
  const auto option = get<std::uint8_t>(payload, 4);
  if (option >= kConnectionOptionCount) return std::unexpected(ControlError::bad_flags);
  const OptionPacket packet{.id = id,
                            .option = static_cast<ConnectionOption>(option),
                            .value = get<std::int64_t>(payload, 5)};
  if (!takes(packet.option, packet.value)) return std::unexpected(ControlError::bad_flags);
  return packet;
}

/// The address behind `fixed` bytes, then the packet that `make` builds with it.
template <typename Make>
Decoded decode_address(Payload payload, std::size_t fixed, Make make) {
  const std::optional<UdpAddress> address = UdpAddress::from_bytes(payload.subspan(fixed));
  if (!address) return std::unexpected(ControlError::bad_address);
  return make(*address);
}

/// Requires: the length is legal for the type; every type but 'X' starts with an id.
Decoded decode_payload(char type, Payload payload) {
  if (type == 'X') return ExitPacket{};
  const auto id = get<SocketId>(payload, 0);
  if (id <= 0) return std::unexpected(ControlError::bad_id);
  const auto requester = [&] { return get<ServiceHandle>(payload, 4); };
  switch (type) {
    case 'D':
      return SendPacket{.id = id, .payload = get<Token>(payload, 4), .priority = Priority::high};
    case 'P':
      return SendPacket{.id = id, .payload = get<Token>(payload, 4), .priority = Priority::low};
    case 'A':
      return decode_address(payload, kSendBytes, [&](const UdpAddress& address) {
        return SendToPacket{.id = id, .payload = get<Token>(payload, 4), .address = address};
      });
    case 'W':
      return ArmWritePacket{.id = id};
    case 'T':
      return decode_option(payload, id);
    case 'C':
      return decode_address(payload, kSetAddressFixedBytes, [&](const UdpAddress& address) {
        return SetAddressPacket{.id = id, .address = address};
      });
    case 'O':
      return decode_open(payload, id, requester());
    case 'K':
      return decode_close(payload, id, requester());
    case 'H':
      return decode_hold(payload, id, requester());
    case 'L':
      return ListenPacket{.id = id, .requester = requester(), .fd = get<Token>(payload, 8)};
    case 'B':
      return BindPacket{.id = id, .requester = requester(), .fd = get<Token>(payload, 8)};
    case 'U':
      return UdpPacket{.id = id, .requester = requester(), .fd = get<Token>(payload, 8)};
    case 'N':
      return decode_address(payload, kAdoptBytes, [&](const UdpAddress& address) {
        return DialPacket{
            .id = id, .requester = requester(), .fd = get<Token>(payload, 8), .address = address};
      });
    default:
      SKYSOCK_CHECK(type == 'S');
      return StartPacket{.id = id, .requester = requester()};
  }
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
    SKYSOCK_CHECK(!packet.host.empty());
    SKYSOCK_CHECK(packet.host.size() <= kHostBytesMax);
    SKYSOCK_CHECK(packet.host.find('\0') == std::string::npos);
    EncodedPacket encoded = encode_fields('O', packet.id, packet.requester, packet.port);
    std::memcpy(encoded.storage.data() + encoded.size, packet.host.c_str(), packet.host.size() + 1);
    encoded.size += packet.host.size() + 1;
    encoded.storage[1] = static_cast<std::byte>(encoded.size - kPacketHeaderBytes);
    return encoded;
  }
  EncodedPacket operator()(const BindPacket& packet) const {
    return encode_fields('B', packet.id, packet.requester, packet.fd);
  }
  EncodedPacket operator()(const UdpPacket& packet) const {
    return encode_fields('U', packet.id, packet.requester, packet.fd);
  }
  EncodedPacket operator()(const DialPacket& packet) const {
    return with_address(encode_fields('N', packet.id, packet.requester, packet.fd), packet.address);
  }
  EncodedPacket operator()(const ClosePacket& packet) const {
    const int flags = (packet.mode == CloseMode::abortive ? kFlagAbortive : 0) |
                      (packet.answer == CloseAnswer::wanted ? kFlagAnswer : 0);
    return encode_fields('K', packet.id, packet.requester, static_cast<std::uint8_t>(flags));
  }
  EncodedPacket operator()(const SendPacket& packet) const {
    return encode_fields(packet.priority == Priority::high ? 'D' : 'P', packet.id, packet.payload);
  }
  EncodedPacket operator()(const SendToPacket& packet) const {
    return with_address(encode_fields('A', packet.id, packet.payload), packet.address);
  }
  EncodedPacket operator()(const SetAddressPacket& packet) const {
    return with_address(encode_fields('C', packet.id), packet.address);
  }
  EncodedPacket operator()(const OptionPacket& packet) const {
    return encode_fields('T', packet.id, static_cast<std::uint8_t>(packet.option), packet.value);
  }
  EncodedPacket operator()(const HoldPacket& packet) const {
    return encode_fields('H', packet.id, packet.requester, static_cast<std::uint8_t>(packet.mode),
                         packet.payload);
  }
  EncodedPacket operator()(const ArmWritePacket& packet) const {
    return encode_fields('W', packet.id);
  }
  EncodedPacket operator()(const ExitPacket&) const { return encode_fields('X'); }

  static EncodedPacket with_address(EncodedPacket encoded, const UdpAddress& address) {
    SKYSOCK_CHECK(!address.empty());
    const std::span<const std::byte> bytes = address.bytes();
    std::memcpy(encoded.storage.data() + encoded.size, bytes.data(), bytes.size());
    encoded.size += bytes.size();
    encoded.storage[1] = static_cast<std::byte>(encoded.size - kPacketHeaderBytes);
    return encoded;
  }
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
      return "unknown flag, mode, option or value";
    case ControlError::bad_address:
      return "address of an unknown family or a wrong length";
    case ControlError::unterminated_host:
      return "host name is not terminated exactly once";
  }
  return "not a ControlError";
}

EncodedPacket encode(const ControlPacket& packet) { return std::visit(Encoder{}, packet); }

Decoded decode(std::span<const std::byte> bytes) {
  if (bytes.size() < kPacketHeaderBytes) return std::unexpected(ControlError::no_header);
  const auto type = get<char>(bytes, 0);
  const LegalLength& legal = kLegalByLetter[static_cast<unsigned char>(type)];
  if (legal.type == 0) return std::unexpected(ControlError::unknown_type);
  const Payload payload = bytes.subspan(kPacketHeaderBytes);
  if (payload.size() != std::to_integer<std::size_t>(bytes[1]) || payload.size() < legal.min ||
      payload.size() > legal.max) {
    return std::unexpected(ControlError::wrong_length);
  }
  return decode_payload(type, payload);
}

}  // namespace skysock
