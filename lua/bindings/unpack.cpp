#include "lua/bindings/unpack.hpp"

#include <algorithm>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>

#include "lua/bindings/userdata.hpp"

namespace skysock::lua {
namespace {

constexpr const char* kPayloadType = "skysock.payload";
constexpr char kPayloadKey = 0;  // Its address is the registry key of the VM's Payload.

int payload_gc(lua_State* L) {
  check_payload(L, 1)->block = Block();
  return 0;
}

// Leaves the VM's Payload on the stack; makes it on first use.
Payload* push_payload(lua_State* L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kPayloadKey) == LUA_TNIL) {
    lua_pop(L, 1);
    new_payload(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kPayloadKey);
  }
  return static_cast<Payload*>(lua_touserdata(L, -1));
}

// The address first: as long as something may raise, the message owns its Block.
void push_datagram(lua_State* L, SocketMessage& message) {
  const std::string_view all = message.data.text();
  const std::size_t bytes = datagram_bytes(message);
  Payload* payload = push_payload(L);
  lua_pushlstring(L, all.data() + bytes, all.size() - bytes);
  payload->block = std::move(message.data);
  payload->block.shorten(bytes);
}

}  // namespace

std::size_t datagram_bytes(const SocketMessage& message) {
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(message.ud, 0, static_cast<std::int64_t>(message.data.size())));
}

Payload* new_payload(lua_State* L) { return new_userdata<Payload>(L, kPayloadType, payload_gc); }

Payload* check_payload(lua_State* L, int index) {
  return static_cast<Payload*>(luaL_checkudata(L, index, kPayloadType));
}

Payload* test_payload(lua_State* L, int index) {
  return static_cast<Payload*>(luaL_testudata(L, index, kPayloadType));
}

int unpack_socket_message(lua_State* L, SocketMessage&& message) {
  luaL_checkstack(L, 8, "socket message");
  lua_pushinteger(L, static_cast<lua_Integer>(message.type));
  lua_pushinteger(L, message.id);
  lua_pushinteger(L, message.ud);
  switch (message.type) {
    case SocketMessageType::data:
      push_payload(L)->block = std::move(message.data);
      break;
    case SocketMessageType::udp:
      push_datagram(L, message);
      return 5;
    case SocketMessageType::connect:
    case SocketMessageType::accept:
    case SocketMessageType::error: {
      const std::string_view text = message.data.text();
      lua_pushlstring(L, text.data(), text.size());
      break;
    }
    case SocketMessageType::close:
    case SocketMessageType::warning:
      lua_pushnil(L);
  }
  return 4;
}

}  // namespace skysock::lua
