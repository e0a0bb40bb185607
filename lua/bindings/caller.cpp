// Errors that name the line of the program that made the mistake. The stack is looked at only when
// one is raised.

#include "lua/bindings/caller.hpp"

#include <string_view>

#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

// Whether the function is the program's: no C, and none of the modules in lualib/.
bool is_programs(lua_State* L, const lua_Debug& function) {
  std::string_view source = function.source;
  if (!source.starts_with('@')) return source != "=[C]";
  source.remove_prefix(1);
  const std::string_view lualib = Service::of(L).node().lualib();
  return !source.starts_with(lualib) || !source.substr(lualib.size()).starts_with('/');
}

// Finds the program's function that led here, and what it called.
bool find_caller(lua_State* L, lua_Debug& caller, lua_Debug& called) {
  for (int level = 0; lua_getstack(L, level, &caller) != 0; ++level) {
    lua_getinfo(L, "Sln", &caller);
    if (is_programs(L, caller)) return true;
    called = caller;
  }
  return false;
}

int raise(lua_State* L, bool found, const lua_Debug& caller) {
  if (found && caller.currentline > 0) {
    lua_pushfstring(L, "%s:%d: ", caller.short_src, caller.currentline);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

void raise_wrong_type(lua_State* L, int index, const char* expected) {
  const char* got = luaL_typename(L, index);
  raise_argument_at_caller(L, index, lua_pushfstring(L, "%s expected, got %s", expected, got));
}

// raise(text)
int core_raise(lua_State* L) { return raise_at_caller(L, luaL_checkstring(L, 1)); }

}  // namespace

int raise_at_caller(lua_State* L, const char* text) {
  lua_Debug caller{};
  lua_Debug called{};
  const bool found = find_caller(L, caller, called);
  lua_pushstring(L, text);
  return raise(L, found, caller);
}

int raise_argument_at_caller(lua_State* L, int index, const char* text) {
  lua_Debug caller{};
  lua_Debug called{};
  const bool found = find_caller(L, caller, called);
  const char* name = called.name == nullptr ? "?" : called.name;
  lua_pushfstring(L, "bad argument #%d to '%s' (%s)", index, name, text);
  return raise(L, found, caller);
}

lua_Integer check_integer_at_caller(lua_State* L, int index) {
  int is_integer = 0;
  const lua_Integer value = lua_tointegerx(L, index, &is_integer);
  if (is_integer == 0) raise_wrong_type(L, index, "integer");
  return value;
}

const char* check_text_at_caller(lua_State* L, int index, std::size_t* size) {
  const char* text = lua_tolstring(L, index, size);
  if (text == nullptr) raise_wrong_type(L, index, "string");
  return text;
}

void add_caller_functions(lua_State* L) {
  lua_pushcfunction(L, core_raise);
  lua_setfield(L, -2, "raise");
}

}  // namespace skysock::lua
