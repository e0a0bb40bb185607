// The part of skynet.socketdriver that reads what was received. A byte goes from its Block into a
// Lua string directly when the bytes asked for lie in one block; else through one luaL_Buffer.

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "lua/bindings/modules.hpp"
#include "lua/bindings/unpack.hpp"
#include "lua/bindings/userdata.hpp"

namespace skysock::lua {
namespace {

constexpr const char* kBufferType = "skysock.buffer";

ReceiveBuffer* check_buffer(lua_State* L) {
  return static_cast<ReceiveBuffer*>(luaL_checkudata(L, 1, kBufferType));
}

// Pushes the first `count` bytes as a string. Nothing is consumed: if Lua runs out of memory here,
// the buffer is as before.
void push_head(lua_State* L, const ReceiveBuffer* buffer, std::size_t count) {
  if (count == 0) {
    lua_pushliteral(L, "");
    return;
  }
  if (const char* bytes = buffer->contiguous(count)) {
    lua_pushlstring(L, bytes, count);
    return;
  }
  luaL_Buffer joined;
  buffer->copy_to(luaL_buffinitsize(L, &joined, count), count);
  luaL_pushresultsize(&joined, count);
}

// buffer() -> an empty buffer.
int buffer_new(lua_State* L) {
  new_userdata<ReceiveBuffer>(L, kBufferType, [](lua_State* state) {
    check_buffer(state)->clear();
    return 0;
  });
  return 1;
}

// push(buffer, payload) -> bytes now buffered. Takes the payload's Block; an empty one adds
// nothing.
int buffer_push(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L);
  Payload* payload = check_payload(L, 2);
  buffer->push(std::move(payload->block));
  lua_pushinteger(L, static_cast<lua_Integer>(buffer->size()));
  return 1;
}

// pop(buffer, n) -> exactly n bytes or nil, bytes still buffered.
int buffer_pop(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L);
  const lua_Integer wanted = luaL_checkinteger(L, 2);
  luaL_argcheck(L, wanted >= 0, 2, "not negative expected");
  const auto count = static_cast<std::size_t>(wanted);
  if (count > buffer->size()) {
    lua_pushnil(L);
  } else {
    push_head(L, buffer, count);
    buffer->drop(count);
  }
  lua_pushinteger(L, static_cast<lua_Integer>(buffer->size()));
  return 2;
}

// drop(payload): frees what was received and is not wanted.
int buffer_drop(lua_State* L) {
  check_payload(L, 1)->block = Block();
  return 0;
}

// readall(buffer) -> all bytes, "" when there are none.
int buffer_readall(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L);
  push_head(L, buffer, buffer->size());
  buffer->drop(buffer->size());
  return 1;
}

// size(buffer) -> bytes buffered.
int buffer_size(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(check_buffer(L)->size()));
  return 1;
}

// clear(buffer)
int buffer_clear(lua_State* L) {
  check_buffer(L)->clear();
  return 0;
}

// readline(buffer, separator, limit[, test]) -> line without separator | nil: not there yet |
// false: the line has more than `limit` bytes (nothing consumed). Whether a line is too long does
// not depend on how it was cut into blocks. With `test` true, nothing is consumed and the result
// is whether a call without it would return something else than nil.
int buffer_readline(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L);
  std::size_t separator_size = 0;
  const char* separator = luaL_checklstring(L, 2, &separator_size);
  luaL_argcheck(L, separator_size > 0, 2, "separator must not be empty");
  const lua_Integer limit = luaL_checkinteger(L, 3);
  luaL_argcheck(L, limit >= 0, 3, "not negative expected");
  const std::optional<std::size_t> line = buffer->find({separator, separator_size});
  const bool too_long = line.value_or(buffer->scanned()) > static_cast<std::size_t>(limit);
  if (lua_toboolean(L, 4) != 0) {
    lua_pushboolean(L, line.has_value() || too_long);
  } else if (too_long) {
    lua_pushboolean(L, 0);
  } else if (line) {
    push_head(L, buffer, *line);
    buffer->drop(*line + separator_size);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

}  // namespace

void add_buffer_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {
      {"buffer", buffer_new}, {"push", buffer_push},         {"pop", buffer_pop},
      {"drop", buffer_drop},  {"clear", buffer_clear},       {"readall", buffer_readall},
      {"size", buffer_size},  {"readline", buffer_readline}, {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
