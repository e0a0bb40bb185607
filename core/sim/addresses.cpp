#include "core/sim/addresses.hpp"

#include <string>

namespace skysock {

Endpoint with_port(const Endpoint& endpoint, std::uint16_t port) {
  return Endpoint::from_numeric(endpoint.host(), port).value_or(Endpoint{});
}

Endpoint host_of(int family, const char* v4_host, const char* v6_host) {
  return Endpoint::from_numeric(family == AF_INET ? v4_host : v6_host, 0).value_or(Endpoint{});
}

bool is_wildcard(const Endpoint& endpoint) {
  const std::string host = endpoint.host();
  return host == "0.0.0.0" || host == "::";
}

Endpoint without_wildcard(const Endpoint& endpoint) {
  if (!is_wildcard(endpoint)) return endpoint;
  return with_port(host_of(endpoint.family(), "127.0.0.1", "::1"), endpoint.port());
}

bool is_own(const Endpoint& endpoint) {
  const std::string host = endpoint.host();
  return is_wildcard(endpoint) || host.starts_with("127.") || host == "::1";
}

bool overlap(const Endpoint& left, const Endpoint& right) {
  return left.family() == right.family() && left.port() == right.port() &&
         (left.host() == right.host() || is_wildcard(left) || is_wildcard(right));
}

std::errc wrong_family(int family, const Endpoint& endpoint) {
  const bool too_short = endpoint.empty() || family == AF_INET6;
  return too_short ? std::errc::invalid_argument : std::errc::address_family_not_supported;
}

}  // namespace skysock
