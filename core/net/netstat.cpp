#include "core/net/netstat.hpp"

namespace skysock {

std::string_view SocketInfo::type() const {
  switch (state) {
    case State::plisten:
    case State::listening:
    case State::listening_held:
    case State::accept_paused:
      return "LISTEN";
    case State::reserved_draining:
    case State::resolving_draining:
    case State::connecting_draining:
    case State::draining:
    case State::draining_eof:
    case State::draining_silent:
    case State::udp_draining:
    case State::lingering:
    case State::halfclose_read:
      return "CLOSING";
    default:
      if (is_udp(protocol)) return "UDP";
      return protocol == Protocol::borrowed ? "BIND" : "TCP";
  }
}

}  // namespace skysock
