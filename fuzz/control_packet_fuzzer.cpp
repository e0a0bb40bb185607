// Drives decode() with any bytes. It must agree, field by field and error by error, with a second
// reading of the format (packet_reference), and encode() must give the bytes back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/check.hpp"
#include "core/net/control_packet.hpp"
#include "fuzz/packet_reference.hpp"

namespace {

using skysock::fuzz::Reading;

void check_packet(std::span<const std::byte> bytes) {
  const auto decoded = skysock::decode(bytes);
  const Reading expected = skysock::fuzz::read_packet(bytes);
  SKYSOCK_CHECK(decoded.has_value() == !expected.error.has_value());
  if (!decoded) {
    SKYSOCK_CHECK(decoded.error() == *expected.error);
    return;
  }
  SKYSOCK_CHECK(skysock::fuzz::flatten(*decoded) == expected.packet);
  SKYSOCK_CHECK(std::ranges::equal(skysock::encode(*decoded).bytes(), bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check_packet(bytes);
  // Also the packet that the header claims to start here: what the channel would hand to decode().
  if (size >= skysock::kPacketHeaderBytes) {
    check_packet(bytes.first(std::min(size, skysock::packet_bytes(bytes[1]))));
  }
  return 0;
}
