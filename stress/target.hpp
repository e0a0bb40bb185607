#pragma once

#include <sys/socket.h>

#include <expected>
#include <string>
#include <string_view>

namespace skysock::stress {

/// Where clients connect to: the text it was given as and the address it resolved to.
struct Target {
  std::string text;
  sockaddr_storage address{};
  socklen_t address_bytes = 0;
  int family = AF_UNSPEC;
};

/// Resolves "HOST:PORT" or "[HOST]:PORT" for TCP. The error says what was expected or what the
/// resolver said. May block on the resolver when HOST is a name.
std::expected<Target, std::string> resolve_target(std::string_view text);

}  // namespace skysock::stress
