// The part of skynet.socketdriver that reads what was received. A byte goes from its Block into a
// Lua string directly when the bytes asked for lie in one block; else through one luaL_Buffer.
// Arguments called `pool` are skynet's, which keeps its list nodes there; ours needs none.

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "lua/bindings/modules.hpp"
#include "lua/bindings/outgoing.hpp"
#include "lua/bindings/receive_buffer.hpp"
#include "lua/bindings/stream.hpp"
#include "lua/bindings/unpack.hpp"
#include "lua/bindings/userdata.hpp"

namespace skysock::lua {
namespace {

constexpr const char* kBufferType = "skysock.buffer";

// buffer() -> an empty buffer.
int buffer_new(lua_State* L) {
  new_userdata<ReceiveBuffer>(L, kBufferType, [](lua_State* state) {
    check_buffer(state, 1)->clear();
    return 0;
  });
  return 1;
}

void push_allocated(ReceiveBuffer* buffer, void* memory, std::size_t size) noexcept {
  buffer->push(Block::adopt({static_cast<std::byte*>(memory), size}, memory, std::free));
}

// push(buffer, pool, payload | memory, size) -> bytes now buffered. Takes what it is given: the
// payload's Block, or memory from malloc(). An empty one adds nothing.
int buffer_push(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L, 1);
  if (lua_islightuserdata(L, 3)) {
    const std::size_t size = check_size(L, 4);
    luaL_argcheck(L, size == 0 || lua_touserdata(L, 3) != nullptr, 3, "NULL");
    push_allocated(buffer, lua_touserdata(L, 3), size);
  } else {
    buffer->push(std::move(check_payload(L, 3)->block));
  }
  lua_pushinteger(L, static_cast<lua_Integer>(buffer->size()));
  return 1;
}

// pop(buffer, pool, n) -> exactly n bytes or nil, bytes still buffered. nil for n = 0, too.
int buffer_pop(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L, 1);
  const lua_Integer wanted = luaL_checkinteger(L, 3);
  luaL_argcheck(L, wanted >= 0, 3, "not negative expected");
  const auto count = static_cast<std::size_t>(wanted);
  if (count == 0 || count > buffer->size()) {
    lua_pushnil(L);
  } else {
    push_head(L, *buffer, count);
    buffer->drop(count);
  }
  lua_pushinteger(L, static_cast<lua_Integer>(buffer->size()));
  return 2;
}

// drop(payload | memory, size): frees what was received and is not wanted.
int buffer_drop(lua_State* L) {
  if (lua_islightuserdata(L, 1)) {
    std::free(lua_touserdata(L, 1));
  } else {
    check_payload(L, 1)->block = Block();
  }
  return 0;
}

// text(payload) -> its bytes as a string; the payload is empty then.
int payload_text(lua_State* L) {
  Payload* payload = check_payload(L, 1);
  const std::string_view text = payload->block.text();
  lua_pushlstring(L, text.data(), text.size());
  payload->block = Block();
  return 1;
}

// readall(buffer, pool) -> all bytes, "" when there are none.
int buffer_readall(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L, 1);
  push_head(L, *buffer, buffer->size());
  buffer->drop(buffer->size());
  return 1;
}

// size(buffer) -> bytes buffered.
int buffer_size(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(check_buffer(L, 1)->size()));
  return 1;
}

// clear(buffer, pool)
int buffer_clear(lua_State* L) {
  check_buffer(L, 1)->clear();
  return 0;
}

// readline(buffer, pool, separator[, limit]) -> line without separator | nil: not there yet |
// false: the line has more than `limit` bytes (nothing consumed). Whether a line is too long does
// not depend on how it was cut into blocks. Without `pool` nothing is consumed, and the result is
// whether a call with it would return something else than nil.
int buffer_readline(lua_State* L) {
  ReceiveBuffer* buffer = check_buffer(L, 1);
  std::size_t separator_size = 0;
  const char* separator = luaL_checklstring(L, 3, &separator_size);
  luaL_argcheck(L, separator_size > 0, 3, "separator must not be empty");
  const lua_Integer limit = luaL_optinteger(L, 4, LUA_MAXINTEGER);
  luaL_argcheck(L, limit >= 0, 4, "not negative expected");
  const std::optional<std::size_t> line = buffer->find({separator, separator_size});
  const bool too_long = line.value_or(buffer->scanned()) > static_cast<std::size_t>(limit);
  if (lua_isnoneornil(L, 2)) {
    lua_pushboolean(L, line.has_value() || too_long);
  } else if (too_long) {
    lua_pushboolean(L, 0);
  } else if (line) {
    push_head(L, *buffer, *line);
    buffer->drop(*line + separator_size);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

// str2p(text) -> memory from malloc() with the same bytes, size. Whoever is given it frees it.
int bytes_str2p(lua_State* L) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, 1, &size);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) return luaL_error(L, "not enough memory");
  std::memcpy(memory, text, size);
  lua_pushlightuserdata(L, memory);
  lua_pushinteger(L, static_cast<lua_Integer>(size));
  return 2;
}

// header(text) -> the unsigned big-endian number that its 1 to 4 bytes are.
int bytes_header(lua_State* L) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, 1, &size);
  luaL_argcheck(L, size >= 1 && size <= 4, 1, "1 to 4 bytes expected");
  lua_Integer number = 0;
  for (std::size_t at = 0; at < size; ++at) {
    number = number << 8 | static_cast<unsigned char>(text[at]);
  }
  lua_pushinteger(L, number);
  return 1;
}

}  // namespace

ReceiveBuffer* check_buffer(lua_State* L, int index) {
  if (Stream* stream = test_stream(L, index)) return &stream->bytes;
  return static_cast<ReceiveBuffer*>(luaL_checkudata(L, index, kBufferType));
}

bool is_buffer(lua_State* L, int index) {
  return luaL_testudata(L, index, kBufferType) != nullptr || test_stream(L, index) != nullptr;
}

void add_buffer_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {
      {"buffer", buffer_new}, {"push", buffer_push},         {"pop", buffer_pop},
      {"drop", buffer_drop},  {"clear", buffer_clear},       {"readall", buffer_readall},
      {"size", buffer_size},  {"readline", buffer_readline}, {"text", payload_text},
      {"str2p", bytes_str2p}, {"header", bytes_header},      {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
