#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace skysock {

/// An IPv4 or IPv6 address and a port, as a value.
class Endpoint {
 public:
  Endpoint() = default;

  /// Copies `length` bytes of a kernel address. A family other than AF_INET and AF_INET6 gives an
  /// empty Endpoint.
  static Endpoint from_sockaddr(const sockaddr* address, socklen_t length);

  /// Parses a numeric address ("127.0.0.1", "::1"); never asks a resolver, so it never blocks.
  static std::optional<Endpoint> from_numeric(std::string_view host, std::uint16_t port);

  [[nodiscard]] const sockaddr* data() const { return &address_.any; }
  [[nodiscard]] socklen_t size() const { return length_; }
  [[nodiscard]] bool empty() const { return length_ == 0; }
  [[nodiscard]] int family() const { return address_.any.sa_family; }
  [[nodiscard]] std::uint16_t port() const;
  /// The address without port: "127.0.0.1", "::1"; "" when empty.
  [[nodiscard]] std::string host() const;
  /// "127.0.0.1:8001", "[::1]:8001"; "" when empty. Cost: for IPv4 about a hundred instructions; it
  /// is made for every accepted connection.
  [[nodiscard]] std::string text() const;

 private:
  /// Members may be looked at by family: they begin alike.
  union Address {
    sockaddr_in6 v6;  ///< The largest.
    sockaddr_in v4;
    sockaddr any;
  };
  Address address_{};
  socklen_t length_ = 0;
};

/// A host and a port as written by a person: "host:port", "[::1]:port".
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

/// Splits "host:port" or "[v6]:port". Errors: invalid_argument for a missing, non-numeric or too
/// large port and for an IPv6 address without brackets.
Result<HostPort> parse_host_port(std::string_view text);

/// `eai_code` (EAI_NONAME, ...) as an error whose message() is the resolver's text.
std::error_code resolver_error(int eai_code);

/// Asks the system's resolver; blocks the caller (never call it on the reactor thread).
/// Errors: a resolver code (EAI_*) whose message() is the resolver's text.
Result<std::vector<Endpoint>> resolve(const std::string& host, std::uint16_t port);

}  // namespace skysock
