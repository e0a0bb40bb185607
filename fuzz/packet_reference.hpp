#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/net/control_packet.hpp"

// A second reading of the packet format, written from its description and not from
// core/net/control_packet.cpp, so that the two can be held against each other. It shares the types'
// names with core, no code.

namespace skysock::fuzz {

/// A control packet with every field a type can have; what a type lacks stays 0 or empty.
struct FlatPacket {
  char type = 0;
  std::uint32_t id = 0;
  std::uint32_t requester = 0;
  std::uint64_t token = 0;
  std::uint16_t port = 0;
  std::uint8_t flags = 0;   ///< Of 'K'; the mode of 'H'; the option of 'T'.
  std::uint64_t value = 0;  ///< Of 'T', as 64 bits.
  std::string host;
  std::string address;  ///< Family, port and address as they travel.
  bool operator==(const FlatPacket&) const = default;
};

/// Either the fields or why the bytes are no packet.
struct Reading {
  std::optional<ControlError> error;
  FlatPacket packet;
};

/// What one packet (header included) says. Total: any bytes give an answer.
Reading read_packet(std::span<const std::byte> bytes);

/// The same view of what decode() returned.
FlatPacket flatten(const ControlPacket& packet);

}  // namespace skysock::fuzz
