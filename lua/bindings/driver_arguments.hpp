#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <lua.hpp>
#include <string_view>
#include <type_traits>

#include "core/base/result.hpp"
#include "core/net/types.hpp"
#include "core/sys/endpoint.hpp"

// What the functions of skynet.socketdriver have in common: reading ids and addresses, and saying
// how a call went. Each function reads its arguments, then calls one `noexcept` function that owns
// all C++ objects and returns plain data: no Lua error can skip a destructor.

namespace skysock::lua {

/// How a call went, as memory that an error may abandon.
struct Outcome {
  static constexpr std::size_t kReasonBytesMax = 256;

  bool ok = false;
  bool malformed = false;  ///< The caller's mistake, not the network's.
  SocketId id = 0;
  std::array<char, kReasonBytesMax> reason{};  ///< Ends with NUL; longer text is cut.

  void set_reason(std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), kReasonBytesMax - 1);
    std::copy_n(text.begin(), size, reason.begin());
    reason[size] = '\0';
  }

  static Outcome mistake(std::string_view text) noexcept {
    Outcome outcome;
    outcome.malformed = true;
    outcome.set_reason(text);
    return outcome;
  }
};
static_assert(std::is_trivially_destructible_v<Outcome>);

template <typename T>
Outcome outcome_of(const Result<T>& result) noexcept {
  Outcome outcome;
  outcome.ok = result.has_value();
  if (!outcome.ok) outcome.set_reason(result.error().message());
  if constexpr (std::is_same_v<T, SocketId>) outcome.id = result.value_or(0);
  return outcome;
}

/// Pushes id, or nil and the reason. Raises for a mistake, as one of argument `index`,
/// at the line of the program.
int push_outcome(lua_State* L, const Outcome& outcome, int index = 1);

/// An id that may be a socket's; raises otherwise, at the line of the program.
SocketId check_id(lua_State* L, int index);

/// An integer from `min` to `max`; raises otherwise, at the line of the program.
lua_Integer check_range(lua_State* L, int index, lua_Integer min, lua_Integer max);

/// Two arguments that name an address: "host:port" and nothing, or host and port.
struct Address {
  std::string_view host;  ///< Valid as long as the argument.
  bool has_port = false;
  std::uint16_t port = 0;
};

/// Reads the arguments at `index` and behind it; raises, at the line of the program, for what
/// cannot be one.
Address check_address(lua_State* L, int index);

/// Errors: invalid_argument for text that is no "host:port".
Result<HostPort> host_port(const Address& address);

}  // namespace skysock::lua
