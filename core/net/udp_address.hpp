#pragma once

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "core/sys/endpoint.hpp"

namespace skysock {

/// An endpoint as it travels behind a datagram: one byte for the family (1: IPv4, 2: IPv6), the
/// port in network order, 4 or 16 bytes of address. Source: gen_udp_address(), and what
/// socket.sendto() and socket.udp_address() take.
class UdpAddress {
 public:
  static constexpr std::size_t kBytesV4 = 1 + 2 + 4;
  static constexpr std::size_t kBytesV6 = 1 + 2 + 16;
  static constexpr std::byte kFamilyV4{1};
  static constexpr std::byte kFamilyV6{2};

  UdpAddress() = default;

  /// Requires: !endpoint.empty().
  static UdpAddress from_endpoint(const Endpoint& endpoint) {
    UdpAddress address;
    if (endpoint.family() == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(endpoint.data());
      address.fill(kFamilyV4, &v4->sin_port, &v4->sin_addr, 4);
    } else {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(endpoint.data());
      address.fill(kFamilyV6, &v6->sin6_port, &v6->sin6_addr, 16);
    }
    return address;
  }

  /// Nothing for an unknown family or a length that is not the family's.
  static std::optional<UdpAddress> from_bytes(std::span<const std::byte> bytes) {
    const bool v4 = bytes.size() == kBytesV4 && bytes[0] == kFamilyV4;
    const bool v6 = bytes.size() == kBytesV6 && bytes[0] == kFamilyV6;
    if (!v4 && !v6) return std::nullopt;
    UdpAddress address;
    std::memcpy(address.bytes_.data(), bytes.data(), bytes.size());
    address.size_ = static_cast<std::uint8_t>(bytes.size());
    return address;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// AF_INET or AF_INET6. Requires: !empty().
  [[nodiscard]] int family() const { return bytes_[0] == kFamilyV4 ? AF_INET : AF_INET6; }

  /// Requires: !empty().
  [[nodiscard]] Endpoint endpoint() const {
    if (family() == AF_INET) {
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      std::memcpy(&v4.sin_port, bytes_.data() + 1, 2);
      std::memcpy(&v4.sin_addr, bytes_.data() + 3, 4);
      return Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_port, bytes_.data() + 1, 2);
    std::memcpy(&v6.sin6_addr, bytes_.data() + 3, 16);
    return Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }

  bool operator==(const UdpAddress&) const = default;

 private:
  void fill(std::byte family, const void* port, const void* address, std::size_t bytes) {
    bytes_[0] = family;
    std::memcpy(bytes_.data() + 1, port, 2);
    std::memcpy(bytes_.data() + 3, address, bytes);
    size_ = static_cast<std::uint8_t>(3 + bytes);
  }

  std::array<std::byte, kBytesV6> bytes_{};
  std::uint8_t size_ = 0;
};

}  // namespace skysock
