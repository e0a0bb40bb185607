#include "core/sim/sim_udp_peer.hpp"

#include "core/base/check.hpp"

namespace skysock {

void SimUdpPeer::send_to(const Endpoint& to, std::string_view text) {
  SKYSOCK_CHECK(network_->send(socket_, to, std::as_bytes(std::span(text.data(), text.size()))));
}

std::optional<SimUdpPeer::Datagram> SimUdpPeer::take() {
  std::string text(UdpNetwork::kBytesMaxV6, '\0');
  const auto got = socket_->take(std::as_writable_bytes(std::span(text)));
  if (!got) return std::nullopt;
  text.resize(got->bytes);
  return Datagram{.from = got->from, .text = std::move(text)};
}

}  // namespace skysock
