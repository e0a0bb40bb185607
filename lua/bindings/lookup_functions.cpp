// The part of skynet.socketdriver that asks: which sockets there are, which addresses a name has.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "lua/bindings/caller.hpp"
#include "lua/bindings/driver_arguments.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/name_lookup.hpp"
#include "lua/bindings/service.hpp"
#include "lua/bindings/userdata.hpp"

namespace skysock::lua {
namespace {

/// What a call found, in a userdata, because pushing it may raise.
template <typename T>
struct Found {
  std::vector<T> all;
  void free() noexcept { all = std::vector<T>(); }
};

using Netstat = Found<SocketInfo>;
using Hosts = Found<std::string>;

constexpr const char* kNetstatType = "skysock.netstat";
constexpr const char* kHostsType = "skysock.hosts";

template <typename T>
int found_gc(lua_State* L) {
  static_cast<Found<T>*>(lua_touserdata(L, 1))->free();
  return 0;
}

void look(Service& service, Netstat& found) noexcept {
  found.all = service.runtime().sockets().netstat();
}

void set_integer(lua_State* L, const char* name, std::int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

void set_boolean(lua_State* L, const char* name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

void set_text(lua_State* L, const char* name, std::string_view value) {
  if (value.empty()) return;
  lua_pushlstring(L, value.data(), value.size());
  lua_setfield(L, -2, name);
}

// What skynet.now() says.
lua_Integer now(lua_State* L) {
  luaL_requiref(L, "skynet.core", open_core, 0);
  lua_getfield(L, -1, "now");
  lua_call(L, 0, 1);
  const lua_Integer now = lua_tointeger(L, -1);
  lua_pop(L, 2);
  return now;
}

// When that was, on the clock of skynet.now(); 0: never.
lua_Integer time_of(lua_Integer now, std::int64_t ms_ago) {
  return ms_ago < 0 ? 0 : std::max<lua_Integer>(now - ms_ago / 10, 0);
}

// A listener has connections where others have bytes.
void push_info(lua_State* L, lua_Integer now, const SocketInfo& info) {
  const std::string_view type = info.type();
  const bool listens = type == "LISTEN";
  lua_createtable(L, 0, 13);
  set_integer(L, "id", info.id);
  set_integer(L, "address", info.owner);
  set_text(L, "type", type);
  set_text(L, "state", to_text(info.state));
  set_integer(L, listens ? "accept" : "read", static_cast<std::int64_t>(info.read_bytes));
  set_integer(L, "rtime", time_of(now, info.read_ms_ago));
  set_text(L, "sock", info.local);
  set_boolean(L, "reading", info.reading);
  if (listens) return;
  set_integer(L, "write", static_cast<std::int64_t>(info.written_bytes));
  set_integer(L, "wtime", time_of(now, info.written_ms_ago));
  set_integer(L, "wbuffer", static_cast<std::int64_t>(info.queued_bytes));
  set_boolean(L, "writing", info.writing);
  set_text(L, "peer", info.peer);
}

// info() -> list of tables, one for every socket of the node, whatever its state.
int socket_info(lua_State* L) {
  auto* found = new_userdata<Netstat>(L, kNetstatType, found_gc<SocketInfo>);
  look(Service::of(L), *found);
  const lua_Integer time = now(L);
  lua_createtable(L, static_cast<int>(found->all.size()), 0);
  for (std::size_t at = 0; at < found->all.size(); ++at) {
    push_info(L, time, found->all[at]);
    lua_rawseti(L, -2, static_cast<lua_Integer>(at) + 1);
  }
  found->free();
  return 1;
}

Outcome look_up(const char* name, Hosts& found) noexcept {
  const Result<std::vector<Endpoint>> endpoints = resolve(name, 0);
  if (endpoints) found.all = hosts_of(*endpoints);
  return outcome_of(endpoints);
}

void ask(Service& service, const char* name, Session session) noexcept {
  service.node().lookup().ask(name, service.self(), session);
}

const char* check_name(lua_State* L, int index) {
  std::size_t size = 0;
  const char* name = check_text_at_caller(L, index, &size);
  if (size == 0 || std::string_view(name).size() != size) {
    raise_argument_at_caller(L, index, "name expected");
  }
  return name;
}

// resolve(name) -> list of addresses. Blocks the thread until the resolver has answered; raises
// when it has none.
int socket_resolve(lua_State* L) {
  const char* name = check_name(L, 1);
  auto* found = new_userdata<Hosts>(L, kHostsType, found_gc<std::string>);
  const Outcome outcome = look_up(name, *found);
  if (!outcome.ok) {
    return raise_at_caller(L, lua_pushfstring(L, "resolve %s: %s", name, outcome.reason.data()));
  }
  lua_createtable(L, static_cast<int>(found->all.size()), 0);
  for (std::size_t at = 0; at < found->all.size(); ++at) {
    const std::string_view host = found->all[at];
    lua_pushlstring(L, host.data(), host.size());
    lua_rawseti(L, -2, static_cast<lua_Integer>(at) + 1);
  }
  found->free();
  return 1;
}

// lookup(name, session): a response with `session` follows: "+" and addresses, one a line, or "-"
// and the reason why there are none.
int socket_lookup(lua_State* L) {
  const char* name = check_name(L, 1);
  const lua_Integer session = check_range(L, 2, 1, std::numeric_limits<Session>::max());
  ask(Service::of(L), name, static_cast<Session>(session));
  return 0;
}

}  // namespace

void add_lookup_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"info", socket_info},
                                            {"resolve", socket_resolve},
                                            {"lookup", socket_lookup},
                                            {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
