#include "core/sim/sim_udp_peer.hpp"

#include <array>

#include "core/base/check.hpp"

namespace skysock {

bool SimUdpPeer::send_to(const Endpoint& to, std::string_view text) {
  const std::shared_ptr<UdpSocket> receiver = network_->at(to);
  const std::uint64_t dropped = receiver ? receiver->dropped() : 0;
  SKYSOCK_CHECK(network_->send(socket_, to, std::as_bytes(std::span(text.data(), text.size()))));
  return receiver != nullptr && receiver->dropped() == dropped;
}

std::optional<SimUdpPeer::Datagram> SimUdpPeer::take() {
  static thread_local std::array<char, UdpNetwork::kBytesMaxV6> room;
  const auto got = socket_->take(std::as_writable_bytes(std::span(room)));
  if (!got) return std::nullopt;
  return Datagram{.from = got->from, .text = std::string(room.data(), got->bytes)};
}

}  // namespace skysock
