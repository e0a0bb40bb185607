#include "fuzz/packet_reference.hpp"

#include <type_traits>
#include <variant>

namespace skysock::fuzz {
namespace {

/// Payload layout, one letter per field: i id, r requester, p port, t token, f flags, h host.
struct Layout {
  char type;
  const char* fields;
};
constexpr Layout kLayouts[] = {{'S', "ir"}, {'L', "irt"}, {'O', "irph"}, {'K', "irf"},
                               {'D', "it"}, {'P', "it"},  {'X', ""}};

constexpr std::size_t field_bytes(char field) {
  return field == 't' ? 8 : field == 'p' ? 2 : field == 'f' ? 1 : field == 'h' ? 0 : 4;
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

bool length_is_legal(const char* fields, std::size_t bytes) {
  std::size_t fixed = 0;
  bool host = false;
  for (const char* field = fields; *field != 0; ++field) {
    fixed += field_bytes(*field);
    host = host || *field == 'h';
  }
  // A host has 1 to 200 bytes and its end mark.
  return host ? bytes >= fixed + 2 && bytes <= fixed + 201 : bytes == fixed;
}

void read_field(char field, std::span<const std::byte> bytes, FlatPacket& into) {
  const std::uint64_t value = field == 'h' ? 0 : number(bytes);
  if (field == 'i') into.id = static_cast<std::uint32_t>(value);
  if (field == 'r') into.requester = static_cast<std::uint32_t>(value);
  if (field == 'p') into.port = static_cast<std::uint16_t>(value);
  if (field == 't') into.token = value;
  if (field == 'f') into.flags = static_cast<std::uint8_t>(value);
  for (const std::byte one : field == 'h' ? bytes.first(bytes.size() - 1) : bytes.first(0)) {
    into.host.push_back(static_cast<char>(one));
  }
}

/// Requires: the length is legal for the layout.
Reading read_fields(const Layout& layout, std::span<const std::byte> payload) {
  FlatPacket packet{.type = layout.type};
  for (const char* field = layout.fields; *field != 0; ++field) {
    const std::size_t size = *field == 'h' ? payload.size() : field_bytes(*field);
    const std::span<const std::byte> bytes = payload.first(size);
    payload = payload.subspan(size);
    if (*field == 'h' && !host_is_terminated(bytes)) {
      return {ControlError::unterminated_host, {}};
    }
    read_field(*field, bytes, packet);
    // Ids are 31 bits and 0 is none.
    const bool bad_id = packet.id == 0 || packet.id > 0x7fffffff;
    if (*field == 'i' && bad_id) return {ControlError::bad_id, {}};
    if (packet.flags > 3) return {ControlError::bad_flags, {}};
  }
  return {std::nullopt, packet};
}

struct Flatten {
  FlatPacket operator()(const StartPacket& p) const {
    return {.type = 'S', .id = bits(p.id), .requester = p.requester};
  }
  FlatPacket operator()(const ListenPacket& p) const {
    return {.type = 'L', .id = bits(p.id), .requester = p.requester, .token = p.fd};
  }
  FlatPacket operator()(const OpenPacket& p) const {
    return {
        .type = 'O', .id = bits(p.id), .requester = p.requester, .port = p.port, .host = p.host};
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
  FlatPacket operator()(const ExitPacket&) const { return {.type = 'X'}; }

  static std::uint32_t bits(SocketId id) { return static_cast<std::uint32_t>(id); }
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
