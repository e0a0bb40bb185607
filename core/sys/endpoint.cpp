#include "core/sys/endpoint.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstring>
#include <span>

namespace skysock {
namespace {

class ResolverCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "resolver"; }
  [[nodiscard]] std::string message(int code) const override { return gai_strerror(code); }
};

const ResolverCategory& resolver_category() {
  static const ResolverCategory category;
  return category;
}

/// Appends to a text that has room for it.
class Digits {
 public:
  explicit Digits(std::span<char> room) : room_(room) {}
  void number(unsigned value) { at_ = std::to_chars(at_, room_.data() + room_.size(), value).ptr; }
  void mark(char what) { *at_++ = what; }
  /// An IPv4 address in host order. inet_ntop(3) goes through sprintf(3).
  void address(std::uint32_t bits) {
    for (unsigned shift = 32; shift > 0;) {
      shift -= 8;
      number(bits >> shift & 0xFFU);
      if (shift > 0) mark('.');
    }
  }
  [[nodiscard]] std::string text() const { return {room_.data(), at_}; }

 private:
  std::span<char> room_;
  char* at_ = room_.data();
};

}  // namespace

Endpoint Endpoint::from_sockaddr(const sockaddr* address, socklen_t length) {
  Endpoint endpoint;
  const bool known = address->sa_family == AF_INET || address->sa_family == AF_INET6;
  if (!known || length > sizeof endpoint.address_) return endpoint;
  std::memcpy(&endpoint.address_, address, length);
  endpoint.length_ = length;
  return endpoint;
}

std::optional<Endpoint> Endpoint::from_numeric(std::string_view host, std::uint16_t port) {
  const std::string name(host);
  sockaddr_in v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return from_sockaddr(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, name.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return from_sockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return std::nullopt;
}

std::uint16_t Endpoint::port() const {
  if (empty()) return 0;
  return ntohs(family() == AF_INET ? address_.v4.sin_port : address_.v6.sin6_port);
}

std::string Endpoint::host() const {
  if (empty()) return {};
  std::array<char, INET6_ADDRSTRLEN> room;
  if (family() == AF_INET) {
    Digits digits(room);
    digits.address(ntohl(address_.v4.sin_addr.s_addr));
    return digits.text();
  }
  const void* address = &address_.v6.sin6_addr;
  return inet_ntop(AF_INET6, address, room.data(), room.size()) == nullptr ? "" : room.data();
}

std::string Endpoint::text() const {
  if (empty()) return {};
  if (family() == AF_INET6) return "[" + host() + "]:" + std::to_string(port());
  std::array<char, sizeof "255.255.255.255:65535"> room;
  Digits digits(room);
  digits.address(ntohl(address_.v4.sin_addr.s_addr));
  digits.mark(':');
  digits.number(port());
  return digits.text();
}

Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return failure(std::errc::invalid_argument);
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':')) {
    return failure(std::errc::invalid_argument);
  }
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (code != std::errc{} || end != digits.data() + digits.size()) {
    return failure(std::errc::invalid_argument);
  }
  return HostPort{std::string(host), port};
}

std::error_code resolver_error(int eai_code) { return {eai_code, resolver_category()}; }

Result<std::vector<Endpoint>> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string service = std::to_string(port);
  const int code = getaddrinfo(host.c_str(), service.c_str(), &hints, &list);
  if (code == EAI_SYSTEM) return last_errno();
  if (code != 0) return Failure(resolver_error(code));
  std::vector<Endpoint> endpoints;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const Endpoint endpoint = Endpoint::from_sockaddr(entry->ai_addr, entry->ai_addrlen);
    if (!endpoint.empty()) endpoints.push_back(endpoint);
  }
  freeaddrinfo(list);
  if (endpoints.empty()) return Failure(resolver_error(EAI_NONAME));
  return endpoints;
}

}  // namespace skysock
