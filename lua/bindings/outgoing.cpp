#include "lua/bindings/outgoing.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>
#include <variant>

#include "lua/bindings/driver_arguments.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/unpack.hpp"

namespace skysock::lua {
namespace {

// More cannot wait to be sent, whatever the limit of the socket.
constexpr std::size_t kBytesMax = std::numeric_limits<std::int32_t>::max();

std::span<std::byte> bytes_at(const void* memory, std::size_t size) {
  return {static_cast<std::byte*>(const_cast<void*>(memory)), size};
}

struct Parts {
  lua_Integer count = 0;
  std::size_t bytes = 0;
};

Parts measure_parts(lua_State* L, int table) {
  Parts parts;
  while (lua_rawgeti(L, table, parts.count + 1) != LUA_TNIL) {
    std::size_t size = 0;
    if (lua_tolstring(L, -1, &size) == nullptr) {
      luaL_error(L, "string expected at index %I of the data table, got %s", parts.count + 1,
                 luaL_typename(L, -1));
    }
    ++parts.count;
    parts.bytes += size;
    if (parts.bytes > kBytesMax) luaL_error(L, "data table of 2 GiB or more");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return parts;
}

// Makes room in `payload`, which a later Lua error cannot leak.
void allocate(Payload* payload, std::size_t size) noexcept { payload->block = Block(size); }

void copy_parts(lua_State* L, int table, lua_Integer count, std::span<std::byte> into) {
  for (lua_Integer i = 1; i <= count; ++i) {
    lua_rawgeti(L, table, i);
    std::size_t size = 0;
    const char* text = lua_tolstring(L, -1, &size);
    if (size > into.size()) luaL_error(L, "data table changed while it was sent");
    std::copy_n(reinterpret_cast<const std::byte*>(text), size, into.data());
    into = into.subspan(size);
    lua_pop(L, 1);
  }
}

Outgoing of_payload(Payload* payload) {
  return {
      .kind = Outgoing::Kind::payload, .bytes = payload->block.bytes(), .block = &payload->block};
}

Outgoing of_table(lua_State* L, int index) {
  const Parts parts = measure_parts(L, index);
  Payload* joined = new_payload(L);
  allocate(joined, parts.bytes);
  copy_parts(L, index, parts.count, joined->block.bytes());
  return of_payload(joined);
}

Outgoing of_userdata(lua_State* L, int index) {
  luaL_argcheck(L, !is_buffer(L, index), index, "data expected, got a receive buffer");
  Payload* payload = test_payload(L, index);
  Outgoing outgoing;
  if (payload != nullptr) {
    outgoing = of_payload(payload);
  } else {
    outgoing.bytes = bytes_at(lua_touserdata(L, index), lua_rawlen(L, index));
  }
  if (!lua_isnoneornil(L, index + 1)) {
    const std::size_t size = check_size(L, index + 1);
    luaL_argcheck(L, size <= outgoing.bytes.size(), index + 1, "more than the userdata has");
    outgoing.bytes = outgoing.bytes.first(size);
  }
  return outgoing;
}

Outgoing of_pointer(lua_State* L, int index) {
  const std::size_t size = check_size(L, index + 1);
  void* memory = lua_touserdata(L, index);
  luaL_argcheck(L, memory != nullptr || size == 0, index, "NULL");
  return {.kind = Outgoing::Kind::pointer, .bytes = bytes_at(memory, size)};
}

Block take_from(Block& block, std::size_t size) noexcept {
  block.shorten(size);
  return std::move(block);
}

}  // namespace

Block Outgoing::take(Message* current) const noexcept {
  switch (kind) {
    case Kind::memory:
      return Block::copy_of(bytes);
    case Kind::payload:
      return take_from(*block, bytes.size());
    case Kind::pointer: {
      // A message's bytes may lie inside of a Block: they cannot be freed without it.
      Block* message = current == nullptr ? nullptr : std::get_if<Block>(&current->payload);
      const bool forwarded = message != nullptr && message->bytes().data() == bytes.data();
      if (forwarded) return take_from(*message, std::min(bytes.size(), message->size()));
      return Block::adopt(bytes, bytes.data(), std::free);
    }
  }
  return {};
}

std::size_t check_size(lua_State* L, int index) {
  return static_cast<std::size_t>(check_range(L, index, 0, kBytesMax));
}

Outgoing check_outgoing(lua_State* L, int index) {
  switch (lua_type(L, index)) {
    case LUA_TTABLE:
      return of_table(L, index);
    case LUA_TUSERDATA:
      return of_userdata(L, index);
    case LUA_TLIGHTUSERDATA:
      return of_pointer(L, index);
    default: {
      std::size_t size = 0;
      const char* text = luaL_checklstring(L, index, &size);
      return {.bytes = bytes_at(text, size)};
    }
  }
}

}  // namespace skysock::lua
