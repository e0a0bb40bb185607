#pragma once

#include <lua.hpp>
#include <new>
#include <type_traits>

// How C++ objects live in Lua. Debian's Lua is C: an error is a longjmp that runs no destructor. So
// an object either is in a full userdata, whose __gc frees what it owns, or its whole life lies in
// a function that calls no Lua API (the `noexcept` ones in these files).

namespace skysock::lua {

/// Pushes a new userdata with a value-initialised T. `gc` must leave the T empty and usable, not
/// destroyed: Lua may show an object again after it was finalised.
template <typename T>
T* new_userdata(lua_State* L, const char* type, lua_CFunction gc) {
  static_assert(std::is_nothrow_default_constructible_v<T>);
  T* object = new (lua_newuserdatauv(L, sizeof(T), 0)) T();
  if (luaL_newmetatable(L, type) != 0) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, -2);
  return object;
}

}  // namespace skysock::lua
