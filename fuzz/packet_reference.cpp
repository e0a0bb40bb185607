#include "fuzz/packet_reference.hpp"

#include <utility>
#include <variant>

namespace skysock::fuzz {
namespace {

/// Payload layout, one letter per field: i id, r requester, p port, t token, f close flags, m hold
/// mode, o option, v value, h host, a address. The last two fill what is left.
struct Layout {
  char type;
  const char* fields;
};
constexpr Layout kLayouts[] = {
    {'S', "ir"},   {'L', "irt"}, {'O', "irph"}, {'B', "irt"}, {'U', "irt"},
    {'N', "irta"}, {'K', "irf"}, {'D', "it"},   {'P', "it"},  {'A', "ita"},
    {'C', "ia"},   {'T', "iov"}, {'H', "irmt"}, {'W', "i"},   {'X', ""},
};

constexpr std::size_t kAddressBytesV4 = 7;
constexpr std::size_t kAddressBytesV6 = 19;

constexpr std::size_t field_bytes(char field) {
  switch (field) {
    case 't':
    case 'v':
      return 8;
    case 'i':
    case 'r':
      return 4;
    case 'p':
      return 2;
    case 'f':
    case 'm':
    case 'o':
      return 1;
    default:
      return 0;
  }
}

std::uint64_t number(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t at = bytes.size(); at > 0; --at) {
    value = value * 256 + std::to_integer<std::uint64_t>(bytes[at - 1]);
  }
  return value;
}

bool host_is_terminated(std::span<const std::byte> host) {
  for (std::size_t at = 0; at < host.size(); ++at) {
    if (host[at] == std::byte{0}) return at + 1 == host.size();
  }
  return false;
}

/// One byte of family, two of port, four or sixteen of address.
bool is_address(std::span<const std::byte> bytes) {
  if (bytes.size() == kAddressBytesV4) return bytes[0] == std::byte{1};
  return bytes.size() == kAddressBytesV6 && bytes[0] == std::byte{2};
}

bool length_is_legal(const char* fields, std::size_t bytes) {
  std::size_t least = 0;
  std::size_t most = 0;
  for (const char* field = fields; *field != 0; ++field) {
    least += field_bytes(*field);
    most += field_bytes(*field);
    // A host has 1 to 200 bytes and its end mark.
    if (*field == 'h') least += 2, most += 201;
    if (*field == 'a') least += kAddressBytesV4, most += kAddressBytesV6;
  }
  return bytes >= least && bytes <= most;
}

/// How many values a one-byte field can have.
constexpr std::uint64_t values_of(char field) {
  if (field == 'o') return 11;
  return field == 'f' || field == 'm' ? 4 : 256;
}

/// What each option of 'T' takes, in their order.
constexpr std::pair<std::uint64_t, std::uint64_t> kOptionRanges[] = {
    {0, 1},          {0, 1},          {1, 32'767},     {1, 32'767},     {1, 127}, {1, 0x7fffffff},
    {1, 0x7fffffff}, {0, 0x7fffffff}, {0, 0x7fffffff}, {1, 0x7fffffff}, {0, 1},
};

std::optional<ControlError> fault_of(char field, std::span<const std::byte> bytes,
                                     const FlatPacket& before) {
  if (field == 'h' && !host_is_terminated(bytes)) return ControlError::unterminated_host;
  if (field == 'a' && !is_address(bytes)) return ControlError::bad_address;
  if (field == 'h' || field == 'a') return std::nullopt;
  const std::uint64_t value = number(bytes);
  // Ids are 31 bits and 0 is none.
  if (field == 'i' && (value == 0 || value > 0x7fffffff)) return ControlError::bad_id;
  if (bytes.size() == 1 && value >= values_of(field)) return ControlError::bad_flags;
  if (field == 'v') {
    const auto [least, most] = kOptionRanges[before.flags];
    if (value < least || value > most) return ControlError::bad_flags;
  }
  return std::nullopt;
}

void read_field(char field, std::span<const std::byte> bytes, FlatPacket& into) {
  const auto text = [](std::span<const std::byte> from) {
    std::string copy;
    for (const std::byte one : from) copy.push_back(static_cast<char>(one));
    return copy;
  };
  const std::uint64_t value = bytes.size() <= 8 ? number(bytes) : 0;
  if (field == 'i') into.id = static_cast<std::uint32_t>(value);
  if (field == 'r') into.requester = static_cast<std::uint32_t>(value);
  if (field == 'p') into.port = static_cast<std::uint16_t>(value);
  if (field == 't') into.token = value;
  if (field == 'f' || field == 'm' || field == 'o') into.flags = static_cast<std::uint8_t>(value);
  if (field == 'v') into.value = value;
  if (field == 'h') into.host = text(bytes.first(bytes.size() - 1));
  if (field == 'a') into.address = text(bytes);
}

/// Requires: the length is legal for the layout.
Reading read_fields(const Layout& layout, std::span<const std::byte> payload) {
  FlatPacket packet{.type = layout.type};
  for (const char* field = layout.fields; *field != 0; ++field) {
    const bool rest = *field == 'h' || *field == 'a';
    const std::span<const std::byte> bytes =
        payload.first(rest ? payload.size() : field_bytes(*field));
    payload = payload.subspan(bytes.size());
    if (const auto fault = fault_of(*field, bytes, packet)) return {fault, {}};
    read_field(*field, bytes, packet);
  }
  return {std::nullopt, packet};
}

struct Flatten {
  FlatPacket operator()(const StartPacket& p) const {
    return {.type = 'S', .id = bits(p.id), .requester = p.requester};
  }
  FlatPacket operator()(const ListenPacket& p) const { return adoption('L', p); }
  FlatPacket operator()(const OpenPacket& p) const {
    return {
        .type = 'O', .id = bits(p.id), .requester = p.requester, .port = p.port, .host = p.host};
  }
  FlatPacket operator()(const BindPacket& p) const { return adoption('B', p); }
  FlatPacket operator()(const UdpPacket& p) const { return adoption('U', p); }
  FlatPacket operator()(const DialPacket& p) const {
    FlatPacket flat = adoption('N', p);
    flat.address = text(p.address);
    return flat;
  }
  FlatPacket operator()(const ClosePacket& p) const {
    const int flags =
        (p.mode == CloseMode::abortive ? 1 : 0) + (p.answer == CloseAnswer::wanted ? 2 : 0);
    return {.type = 'K',
            .id = bits(p.id),
            .requester = p.requester,
            .flags = static_cast<std::uint8_t>(flags)};
  }
  FlatPacket operator()(const SendPacket& p) const {
    return {.type = p.priority == Priority::high ? 'D' : 'P', .id = bits(p.id), .token = p.payload};
  }
  FlatPacket operator()(const SendToPacket& p) const {
    return {.type = 'A', .id = bits(p.id), .token = p.payload, .address = text(p.address)};
  }
  FlatPacket operator()(const SetAddressPacket& p) const {
    return {.type = 'C', .id = bits(p.id), .address = text(p.address)};
  }
  FlatPacket operator()(const OptionPacket& p) const {
    return {.type = 'T',
            .id = bits(p.id),
            .flags = static_cast<std::uint8_t>(p.option),
            .value = static_cast<std::uint64_t>(p.value)};
  }
  FlatPacket operator()(const HoldPacket& p) const {
    return {.type = 'H',
            .id = bits(p.id),
            .requester = p.requester,
            .token = p.payload,
            .flags = static_cast<std::uint8_t>(p.mode)};
  }
  FlatPacket operator()(const ArmWritePacket& p) const { return {.type = 'W', .id = bits(p.id)}; }
  FlatPacket operator()(const ExitPacket&) const { return {.type = 'X'}; }

  template <typename Packet>
  static FlatPacket adoption(char type, const Packet& p) {
    return {.type = type, .id = bits(p.id), .requester = p.requester, .token = p.fd};
  }
  static std::uint32_t bits(SocketId id) { return static_cast<std::uint32_t>(id); }
  static std::string text(const UdpAddress& address) {
    const auto bytes = address.bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

}  // namespace

Reading read_packet(std::span<const std::byte> bytes) {
  if (bytes.size() < 2) return {ControlError::no_header, {}};
  const char type = static_cast<char>(bytes[0]);
  for (const Layout& layout : kLayouts) {
    if (layout.type != type) continue;
    const std::span<const std::byte> payload = bytes.subspan(2);
    const bool legal = payload.size() == std::to_integer<std::size_t>(bytes[1]) &&
                       length_is_legal(layout.fields, payload.size());
    if (!legal) return {ControlError::wrong_length, {}};
    return read_fields(layout, payload);
  }
  return {ControlError::unknown_type, {}};
}

FlatPacket flatten(const ControlPacket& packet) { return std::visit(Flatten{}, packet); }

}  // namespace skysock::fuzz
