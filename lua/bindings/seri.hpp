#pragma once

#include <lua.hpp>

namespace skysock::lua {

/// Adds pack, packstring and unpack to the table on top: Lua values as bytes, for messages between
/// services of one process. They need no Service.
///
///   - pack(...) -> light userdata, size: memory of malloc(), which whoever gets it has to free().
///   - packstring(...) -> the same bytes as a string.
///   - unpack(light userdata, size) or unpack(string) -> the values. Frees nothing; size 0, nil or
///     "" gives no value.
///
/// What can be packed: nil, booleans, integers, floats, strings, light userdata, and tables of
/// them, nested at most kSeriDepthMax deep. A table loses its metatable; one with __pairs is
/// packed as the pairs which that gives.
///
/// Raises: pack for any other type (it is named), for tables nested deeper (cycles are), and what a
///         __pairs raises; nothing leaks. unpack for bytes that pack does not write: any bytes may
///         be given, and the room that all tables get is at most 16 times their number.
/// Cost:   linear in the size. Up to 1 KiB pack makes one allocation, and none in Lua.
/// Source: lua-seri.c, luaseri_pack(), luaseri_unpack(). The format is ours: seri_format.hpp.
void add_seri_functions(lua_State* L);

/// Tables within tables that pack and unpack take, the outermost counted.
inline constexpr int kSeriDepthMax = 32;

namespace detail {
// The functions themselves: two files.
int seri_pack(lua_State* L);
int seri_pack_string(lua_State* L);
int seri_unpack(lua_State* L);
}  // namespace detail

}  // namespace skysock::lua
