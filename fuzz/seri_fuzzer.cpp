// Any bytes through unpack of lua/bindings/seri.hpp: what it accepts must pack and unpack to equal
// values, and neither way may hold more memory than the number of bytes justifies.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <lua.hpp>

#include "core/base/check.hpp"
#include "lua/bindings/seri.hpp"
#include "lua/test/lua_memory.hpp"

namespace {

using skysock::lua::LuaMemory;

// A byte can be a table (56 bytes), and while the stack of results grows the old one is there too.
constexpr std::size_t kMemoryPerByte = 160;
constexpr std::size_t kMemoryOfAVm = 64 * 1'024;

bool equal(lua_State* L, int a, int b);

/// Whether each pair of the table at `a` is in the one at `b`; adds up the pairs of `a`.
bool contains(lua_State* L, int a, int b, std::size_t& pairs) {
  luaL_checkstack(L, 8, "comparing");
  lua_pushnil(L);
  while (lua_next(L, a) != 0) {
    ++pairs;
    const int value = lua_gettop(L);
    // A table as key is another one in the copy: it can only be counted.
    if (lua_type(L, value - 1) != LUA_TTABLE) {
      lua_pushvalue(L, value - 1);
      lua_rawget(L, b);
      if (!equal(L, value, value + 1)) return false;
    }
    lua_settop(L, value - 1);
  }
  return true;
}

std::size_t count_pairs(lua_State* L, int table) {
  std::size_t pairs = 0;
  lua_pushnil(L);
  while (lua_next(L, table) != 0) {
    ++pairs;
    lua_pop(L, 1);
  }
  return pairs;
}

bool equal(lua_State* L, int a, int b) {
  if (lua_type(L, a) != lua_type(L, b) || lua_isinteger(L, a) != lua_isinteger(L, b)) return false;
  if (lua_type(L, a) == LUA_TNUMBER && std::isnan(lua_tonumber(L, a))) {
    return std::isnan(lua_tonumber(L, b));
  }
  if (lua_type(L, a) != LUA_TTABLE) return lua_rawequal(L, a, b) != 0;
  std::size_t pairs = 0;
  return contains(L, a, b, pairs) && pairs == count_pairs(L, b);
}

/// Replaces the `count` values on top of the stack by seri.NAME of them.
void call(lua_State* L, const char* name, int count) {
  lua_getfield(L, 1, name);
  lua_insert(L, -1 - count);
  SKYSOCK_CHECK(lua_pcall(L, count, LUA_MULTRET, 0) == LUA_OK);
}

/// The values above index 1 come back as they are.
void check_round_trip(lua_State* L) {
  const int last = lua_gettop(L);
  SKYSOCK_CHECK(lua_checkstack(L, 2 * last + LUA_MINSTACK) != 0);
  for (int index = 2; index <= last; ++index) lua_pushvalue(L, index);
  call(L, "packstring", last - 1);
  SKYSOCK_CHECK(lua_gettop(L) == last + 1);
  call(L, "unpack", 1);
  SKYSOCK_CHECK(lua_gettop(L) == 2 * last - 1);
  for (int index = 2; index <= last; ++index) SKYSOCK_CHECK(equal(L, index, index + last - 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  LuaMemory memory;
  lua_State* L = lua_newstate(LuaMemory::allocate, &memory);
  SKYSOCK_CHECK(L != nullptr);
  lua_newtable(L);
  skysock::lua::add_seri_functions(L);
  lua_getfield(L, 1, "unpack");
  lua_pushlightuserdata(L, const_cast<std::uint8_t*>(data));
  lua_pushinteger(L, static_cast<lua_Integer>(size));
  const int status = lua_pcall(L, 2, LUA_MULTRET, 0);
  SKYSOCK_CHECK(memory.most <= kMemoryOfAVm + kMemoryPerByte * size);
  if (status == LUA_OK) {
    check_round_trip(L);
  } else {
    SKYSOCK_CHECK(status == LUA_ERRRUN);
  }
  lua_close(L);
  SKYSOCK_CHECK(memory.bytes == 0);
  return 0;
}
