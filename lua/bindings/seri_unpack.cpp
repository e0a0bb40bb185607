// unpack of seri.hpp. The bytes may come from anybody, so every length is held against what is
// left.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>

#include "lua/bindings/seri.hpp"
#include "lua/bindings/seri_format.hpp"

namespace skysock::lua {
namespace {

/// What is still to be read. Of the `left` bytes, `owed` at least are spoken for by tables that are
/// open: one for each value of their arrays, one for their end. So all tables together cannot
/// claim more room than there are bytes.
struct Input {
  lua_State* L;
  const std::byte* at;
  std::size_t left;
  std::size_t owed;
};

[[noreturn]] void malformed(lua_State* L, const char* what) {
  luaL_error(L, "invalid packed data: %s", what);
  std::unreachable();  // luaL_error does not return, but its declaration does not say so.
}

const std::byte* take(Input& in, std::uint64_t size) {
  if (size > in.left) malformed(in.L, "it ends early");
  const std::byte* bytes = in.at;
  in.at += size;
  in.left -= size;
  return bytes;
}

template <typename T>
T take_as(Input& in) {
  T value;
  std::memcpy(&value, take(in, sizeof value), sizeof value);
  return value;
}

std::uint64_t take_unsigned(Input& in, unsigned width) {
  std::uint64_t value = 0;
  const std::size_t bytes = std::size_t{1} << width;
  std::memcpy(&value, take(in, bytes), bytes);
  return value;
}

lua_Integer take_integer(Input& in, unsigned width) {
  const unsigned unused_bits = 64 - (8U << width);
  const std::uint64_t bits = take_unsigned(in, width) << unused_bits;
  return static_cast<lua_Integer>(bits) >> unused_bits;
}

void push_string(Input& in, std::uint64_t size) {
  const std::byte* bytes = take(in, size);
  lua_pushlstring(in.L, reinterpret_cast<const char*>(bytes), size);
}

void unpack_value(Input& in, int depth);

void push_table(Input& in, std::uint64_t count, int depth) {
  lua_State* L = in.L;
  if (depth > kSeriDepthMax) malformed(L, "tables are nested too deep");
  if (in.left <= in.owed || count >= in.left - in.owed) {
    malformed(L, "a table has more values than bytes are left");
  }
  luaL_checkstack(L, LUA_MINSTACK, "unpacking a table");
  constexpr std::uint64_t kRoomMax = std::numeric_limits<int>::max();
  lua_createtable(L, static_cast<int>(std::min(count, kRoomMax)), 0);
  in.owed += count + 1;
  for (std::uint64_t at = 1; at <= count; ++at) {
    --in.owed;
    unpack_value(in, depth);
    lua_rawseti(L, -2, static_cast<lua_Integer>(at));
  }
  for (;;) {
    unpack_value(in, depth);
    if (lua_isnil(L, -1)) break;
    unpack_value(in, depth);
    lua_rawset(L, -3);  // Raises for a key that is NaN.
  }
  lua_pop(L, 1);
  --in.owed;
}

/// One of the three kinds that have 4 tags, each for a width.
void push_wide(Input& in, unsigned tag, int depth) {
  const unsigned width = tag % seri::kWidths;
  switch (tag - width) {
    case seri::kInteger:
      return lua_pushinteger(in.L, take_integer(in, width));
    case seri::kString:
      return push_string(in, take_unsigned(in, width));
    case seri::kTable:
      return push_table(in, take_unsigned(in, width), depth + 1);
    default:
      malformed(in.L, "a type that does not exist");
  }
}

void unpack_value(Input& in, int depth) {
  const unsigned tag = take_as<std::uint8_t>(in);
  if (tag >= seri::kSmallTable) return push_table(in, tag - seri::kSmallTable, depth + 1);
  if (tag >= seri::kSmallString) return push_string(in, tag - seri::kSmallString);
  if (tag >= seri::kSmallInteger) {
    return lua_pushinteger(in.L, static_cast<lua_Integer>(tag - seri::kSmallInteger));
  }
  switch (tag) {
    case seri::kNil:
      return lua_pushnil(in.L);
    case seri::kFalse:
    case seri::kTrue:
      return lua_pushboolean(in.L, tag == seri::kTrue);
    case seri::kFloat:
      return lua_pushnumber(in.L, take_as<lua_Number>(in));
    case seri::kLightUserdata:
      return lua_pushlightuserdata(in.L, take_as<void*>(in));
    default:
      return push_wide(in, tag, depth);
  }
}

/// The argument of unpack, which stays on the stack at 1, so that a string lives on.
Input check_input(lua_State* L) {
  if (lua_isnoneornil(L, 1)) return {.L = L, .at = nullptr, .left = 0, .owed = 0};
  std::size_t size = 0;
  const void* bytes = nullptr;
  if (lua_type(L, 1) == LUA_TSTRING) {
    bytes = lua_tolstring(L, 1, &size);
  } else {
    luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
    bytes = lua_touserdata(L, 1);
    const lua_Integer given = luaL_checkinteger(L, 2);
    luaL_argcheck(L, given >= 0, 2, "not negative expected");
    luaL_argcheck(L, bytes != nullptr || given == 0, 1, "null pointer");
    size = static_cast<std::size_t>(given);
  }
  return {.L = L, .at = static_cast<const std::byte*>(bytes), .left = size, .owed = 0};
}

}  // namespace

int detail::seri_unpack(lua_State* L) {
  Input in = check_input(L);
  lua_settop(L, 1);
  while (in.left > 0) {
    luaL_checkstack(L, LUA_MINSTACK, "too many packed values");
    unpack_value(in, 0);
  }
  return lua_gettop(L) - 1;
}

void add_seri_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"pack", detail::seri_pack},
                                            {"packstring", detail::seri_pack_string},
                                            {"unpack", detail::seri_unpack},
                                            {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
