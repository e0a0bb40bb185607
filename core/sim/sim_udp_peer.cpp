#include "core/sim/sim_udp_peer.hpp"

#include <array>

#include "core/base/check.hpp"

namespace skysock {

void SimUdpPeer::send_to(const Endpoint& to, std::string_view text) {
  SKYSOCK_CHECK(network_->send(socket_, to, std::as_bytes(std::span(text.data(), text.size()))));
}

std::optional<SimUdpPeer::Datagram> SimUdpPeer::take() {
  static thread_local std::array<char, UdpNetwork::kBytesMaxV6> room;
  const auto got = socket_->take(std::as_writable_bytes(std::span(room)));
  if (!got) return std::nullopt;
  return Datagram{.from = got->from, .text = std::string(room.data(), got->bytes)};
}

}  // namespace skysock
