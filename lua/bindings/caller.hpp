#pragma once

#include <cstddef>
#include <lua.hpp>

namespace skysock::lua {

/// Raises `text` with the line of the program that led here, not that of a module of lualib/
/// between. Without a line when nothing but C led here. Does not return. Requires: `L` belongs to a
/// Service, or runs no file of Lua. Costs nothing until it is called.
int raise_at_caller(lua_State* L, const char* text);

/// The same for argument `index` of the function that the program called.
int raise_argument_at_caller(lua_State* L, int index, const char* text);

/// As luaL_checkinteger and luaL_checklstring, with errors at the line of the program.
lua_Integer check_integer_at_caller(lua_State* L, int index);
const char* check_text_at_caller(lua_State* L, int index, std::size_t* size);

/// Adds raise(text) to the table on top: raise_at_caller for modules in Lua.
void add_caller_functions(lua_State* L);

}  // namespace skysock::lua
