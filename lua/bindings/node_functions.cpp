// The part of skynet.core that is about other services and the node: names, launching, settings.

#include <limits>
#include <optional>
#include <string_view>

#include "lua/bindings/modules.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

std::string_view check_text(lua_State* L, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, index, &size);
  return {text, size};
}

ServiceHandle check_handle(lua_State* L, int index) {
  const lua_Integer handle = luaL_checkinteger(L, index);
  luaL_argcheck(L, handle >= 1 && handle <= std::numeric_limits<ServiceHandle>::max(), index,
                "service address expected");
  return static_cast<ServiceHandle>(handle);
}

int push_handle(lua_State* L, ServiceHandle handle) {
  if (handle == 0) return 0;
  lua_pushinteger(L, handle);
  return 1;
}

// query(name) -> handle | nothing. Launches nobody.
int core_query(lua_State* L) {
  return push_handle(L, Service::of(L).runtime().query(check_text(L, 1)));
}

// name(name, handle) -> whether the service has that name now: it lives, and nobody had it.
int core_name(lua_State* L) {
  const std::string_view text = check_text(L, 1);
  const ServiceHandle handle = check_handle(L, 2);
  lua_pushboolean(L, Service::of(L).runtime().name(handle, text));
  return 1;
}

// launch(words) -> handle | nothing. The service's name and arguments; it starts beside the caller.
int core_launch(lua_State* L) {
  return push_handle(L, Service::of(L).node().launch_words(check_text(L, 1)));
}

// kill(handle): ends a service after the message it is handling; an unknown one is ignored.
int core_kill(lua_State* L) {
  const ServiceHandle handle = check_handle(L, 1);
  Service& service = Service::of(L);
  if (handle == service.self()) {
    service.retire();
  } else {
    service.runtime().retire(handle);
  }
  return 0;
}

// abort(): ends the node.
int core_abort(lua_State* L) {
  Service::of(L).runtime().request_stop();
  return 0;
}

// getenv(key) -> string | nothing.
int core_getenv(lua_State* L) {
  const auto value = Service::of(L).node().setting(check_text(L, 1));
  static_assert(std::is_trivially_destructible_v<decltype(value)>);
  if (!value) return 0;
  lua_pushlstring(L, value->data(), value->size());
  return 1;
}

// setenv(key, value) -> false when the key has a value already.
int core_setenv(lua_State* L) {
  const std::string_view key = check_text(L, 1);
  const std::string_view value = check_text(L, 2);
  lua_pushboolean(L, Service::of(L).node().set(key, value));
  return 1;
}

// monitor(handle): that service hears of every one that ends.
int core_monitor(lua_State* L) {
  Service::of(L).node().set_monitor(check_handle(L, 1));
  return 0;
}

// services() -> how many are alive, and the handle of the first one of the node.
int core_services(lua_State* L) {
  Service& service = Service::of(L);
  lua_pushinteger(L, static_cast<lua_Integer>(service.runtime().service_count()));
  lua_pushinteger(L, service.node().first());
  return 2;
}

// lualib() -> directory of skynet.lua.
int core_lualib(lua_State* L) {
  lua_pushstring(L, Service::of(L).node().lualib().c_str());
  return 1;
}

}  // namespace

void add_node_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {
      {"query", core_query},   {"name", core_name},       {"launch", core_launch},
      {"kill", core_kill},     {"abort", core_abort},     {"getenv", core_getenv},
      {"setenv", core_setenv}, {"monitor", core_monitor}, {"services", core_services},
      {"lualib", core_lualib}, {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
