#pragma once

#include <cstdint>

#include "core/sys/endpoint.hpp"

namespace skysock {

Endpoint with_port(const Endpoint& endpoint, std::uint16_t port);

/// The address of a host of `family`, with port 0.
Endpoint host_of(int family, const char* v4_host, const char* v6_host);

bool is_wildcard(const Endpoint& endpoint);

/// Where a connect to `endpoint` goes, and a datagram from it comes from.
Endpoint without_wildcard(const Endpoint& endpoint);

/// Of the simulated host itself, which has only the loopback.
bool is_own(const Endpoint& endpoint);

/// Sockets at both would both be meant by some address.
bool overlap(const Endpoint& left, const Endpoint& right);

/// What bind(2), connect(2) and sendto(2) answer to an address that no socket of `family` takes:
/// IPv6 sockets look at its length first.
std::errc wrong_family(int family, const Endpoint& endpoint);

/// Gives ports in turn. Source: Linux's default ip_local_port_range.
class EphemeralPorts {
 public:
  template <typename Taken>
  std::uint16_t next(Taken taken) {
    do {
      last_ = last_ == kLast ? kFirst : static_cast<std::uint16_t>(last_ + 1);
    } while (taken(last_));
    return last_;
  }

 private:
  static constexpr std::uint16_t kFirst = 32'768;
  static constexpr std::uint16_t kLast = 60'999;
  std::uint16_t last_ = kLast;
};

}  // namespace skysock
