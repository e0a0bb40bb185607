#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/sim/udp_socket.hpp"

namespace skysock {

/// A UDP endpoint of a remote host, played by a test. As SimPeer it is outside the system calls. It
/// loses nothing that arrives; dropping it closes it, and datagrams to it are refused.
class SimUdpPeer {
 public:
  struct Datagram {
    Endpoint from;
    std::string text;
  };

  SimUdpPeer(std::shared_ptr<UdpSocket> socket, std::shared_ptr<UdpNetwork> network)
      : socket_(std::move(socket)), network_(std::move(network)) {}

  /// Returns whether somebody there had room for it. Requires: what UdpNetwork::send() takes.
  bool send_to(const Endpoint& to, std::string_view text);
  /// The oldest datagram that arrived.
  std::optional<Datagram> take();

  [[nodiscard]] const Endpoint& local() const { return socket_->local(); }

 private:
  std::shared_ptr<UdpSocket> socket_;
  std::shared_ptr<UdpNetwork> network_;
};

}  // namespace skysock
