#pragma once

#include <lua.hpp>
#include <system_error>

#include "core/base/result.hpp"
#include "core/net/types.hpp"

namespace skysock::lua {

/// Why a send was refused, as static text; nullptr when it was taken.
inline const char* refusal_of(const Result<SendOutcome>& sent) noexcept {
  if (sent) [[likely]]
    return nullptr;
  if (sent.error() == std::errc::no_buffer_space) return "limit";
  if (sent.error() == std::errc::destination_address_required) return "no destination";
  if (sent.error() == std::errc::operation_not_supported) return "not a datagram socket";
  if (sent.error() == std::errc::address_family_not_supported) return "wrong address family";
  return "closed";
}

/// Pushes true, or false and the reason.
inline int push_answer(lua_State* L, const char* refusal) {
  lua_pushboolean(L, refusal == nullptr);
  if (refusal == nullptr) return 1;
  lua_pushstring(L, refusal);
  return 2;
}

}  // namespace skysock::lua
