#include "stress/target.hpp"

#include <fmt/format.h>
#include <netdb.h>

#include <charconv>
#include <cstring>
#include <memory>

namespace skysock::stress {
namespace {

std::unexpected<std::string> not_a_target(std::string_view text) {
  return std::unexpected(
      fmt::format("'{}' is not HOST:PORT with a port from 1 to 65535 (e.g. 127.0.0.1:8888)", text));
}

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && at == end && value >= 1 && value <= 65535;
}

std::string_view without_brackets(std::string_view host) {
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return host;
  return host.substr(1, host.size() - 2);
}

}  // namespace

std::expected<Target, std::string> resolve_target(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return not_a_target(text);
  const std::string host(without_brackets(text.substr(0, colon)));
  const std::string port(text.substr(colon + 1));
  if (host.empty() || !is_port(port)) return not_a_target(text);

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (code != 0) {
    return std::unexpected(fmt::format("cannot resolve '{}': {}", text, ::gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  Target target;
  target.text = text;
  target.family = found->ai_family;
  target.address_bytes = found->ai_addrlen;
  std::memcpy(&target.address, found->ai_addr, found->ai_addrlen);
  return target;
}

}  // namespace skysock::stress
