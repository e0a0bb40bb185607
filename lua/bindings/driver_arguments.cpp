#include "lua/bindings/driver_arguments.hpp"

#include <limits>
#include <string>

#include "lua/bindings/caller.hpp"

namespace skysock::lua {

int push_outcome(lua_State* L, const Outcome& outcome, int index) {
  if (outcome.malformed) raise_argument_at_caller(L, index, outcome.reason.data());
  if (!outcome.ok) {
    lua_pushnil(L);
    lua_pushstring(L, outcome.reason.data());
    return 2;
  }
  lua_pushinteger(L, outcome.id);
  return 1;
}

lua_Integer check_range(lua_State* L, int index, lua_Integer min, lua_Integer max) {
  const lua_Integer value = check_integer_at_caller(L, index);
  if (value < min || value > max) {
    raise_argument_at_caller(L, index, lua_pushfstring(L, "%I to %I expected", min, max));
  }
  return value;
}

SocketId check_id(lua_State* L, int index) {
  const lua_Integer id = check_integer_at_caller(L, index);
  if (id < 1 || id > std::numeric_limits<SocketId>::max()) {
    raise_argument_at_caller(L, index, "socket id expected");
  }
  return static_cast<SocketId>(id);
}

Address check_address(lua_State* L, int index) {
  std::size_t size = 0;
  const char* text = check_text_at_caller(L, index, &size);
  const std::string_view host(text, size);
  if (host.empty() || host.find('\0') != std::string_view::npos) {
    raise_argument_at_caller(L, index, "address expected");
  }
  if (lua_isnoneornil(L, index + 1)) return {.host = host, .has_port = false, .port = 0};
  const lua_Integer port = check_integer_at_caller(L, index + 1);
  if (port < 0 || port > 65'535) {
    raise_argument_at_caller(L, index + 1, "port out of range 0 to 65535");
  }
  return {.host = host, .has_port = true, .port = static_cast<std::uint16_t>(port)};
}

Result<HostPort> host_port(const Address& address) {
  if (!address.has_port) return parse_host_port(address.host);
  std::string_view host = address.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return HostPort{.host = std::string(host), .port = address.port};
}

}  // namespace skysock::lua
