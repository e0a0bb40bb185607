// How C++ runs coroutines of skynet/scheduler.lua.

#include "lua/bindings/coroutines.hpp"

#include <string_view>

#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

// Their addresses are registry keys.
constexpr char kAcceptBodyKey = 0;
constexpr char kAcceptPoolKey = 0;
constexpr char kSettleKey = 0;
constexpr char kRunQueuesKey = 0;

/// Whether it has nothing to say but that it waits, or has gone to the pool.
bool is_settled(lua_State* coroutine, int status, int count) {
  if (status == LUA_YIELD && count == 0) return true;  // In one of our calls.
  if (status > LUA_YIELD || count != 1 || lua_type(coroutine, -1) != LUA_TSTRING) return false;
  const std::string_view command = lua_tostring(coroutine, -1);
  if (command != "SLEEP" && command != "EXIT") return false;
  lua_pop(coroutine, 1);
  return true;
}

// coroutines(settle, run_queues): how the scheduler does these things.
int core_coroutines(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kRunQueuesKey);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kSettleKey);
  return 0;
}

// acceptors(body, pool): body(callback, id or datagram, address) is what coroutines for accepted
// connections and datagrams run; those that wait in `pool` are resumed with the same three.
int core_acceptors(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kAcceptPoolKey);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kAcceptBodyKey);
  return 0;
}

// What is pushed is called with `count` arguments. Only a script that took functions of Lua's own
// away, or replaced them, can make it raise: that is logged.
bool call_scheduler(lua_State* L, int count) {
  if (lua_pcall(L, count, 0, 0) == LUA_OK) return true;
  std::size_t size = 0;
  const char* text = luaL_tolstring(L, -1, &size);
  Service::of(L).log(text, size);
  lua_pop(L, 2);
  return false;
}

}  // namespace

void resume(lua_State* L, lua_State* coroutine, int count) {
  int given = 0;
  const int status = lua_resume(coroutine, L, count, &given);
  if (is_settled(coroutine, status, given)) return;
  const int base = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kSettleKey);
  lua_pushthread(coroutine);
  lua_xmove(coroutine, L, 1);
  lua_pushboolean(L, status <= LUA_YIELD);
  if (status > LUA_YIELD || given > 0) {
    if (status <= LUA_YIELD && given > 1) lua_pop(coroutine, given - 1);
    lua_xmove(coroutine, L, 1);
  } else {
    lua_pushnil(L);
  }
  call_scheduler(L, 3);
  lua_settop(L, base);
}

lua_State* push_acceptor(lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kAcceptPoolKey);
  const auto count = static_cast<lua_Integer>(lua_rawlen(L, -1));
  if (count > 0) {
    lua_rawgeti(L, -1, count);
    lua_pushnil(L);
    lua_rawseti(L, -3, count);
  } else {
    lua_State* made = lua_newthread(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kAcceptBodyKey);
    lua_xmove(L, made, 1);
  }
  lua_replace(L, -2);
  return lua_tothread(L, -1);
}

void run_queues(lua_State* L) {
  do {  // What raised has left the queue: the others run still.
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kRunQueuesKey);
  } while (!call_scheduler(L, 0));
}

void add_coroutine_functions(lua_State* L) {
  lua_pushcfunction(L, core_coroutines);
  lua_setfield(L, -2, "coroutines");
  lua_pushcfunction(L, core_acceptors);
  lua_setfield(L, -2, "acceptors");
}

}  // namespace skysock::lua
