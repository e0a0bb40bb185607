// skynet.core: what the scheduler in skynet.lua needs from the runtime.

#include <algorithm>
#include <chrono>
#include <limits>

#include "core/service/stats_text.hpp"
#include "lua/bindings/caller.hpp"
#include "lua/bindings/coroutines.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/seri.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

const steady_clock::time_point kProcessStart = steady_clock::now();
const system_clock::duration kStartTime = system_clock::now().time_since_epoch();

Session check_session(lua_State* L, int index) {
  const lua_Integer session = luaL_checkinteger(L, index);
  luaL_argcheck(L, session >= 0 && session <= std::numeric_limits<Session>::max(), index,
                "session out of range");
  return static_cast<Session>(session);
}

void post_response(Service& service, milliseconds delay, Session session) noexcept {
  if (delay.count() > 0) {
    service.runtime().post_after(delay, service.self(), session);
    return;
  }
  Message message{.type = MessageType::response, .session = session, .source = 0, .payload = {}};
  service.runtime().post(service.self(), std::move(message));
}

// self() -> handle of this service.
int core_self(lua_State* L) {
  lua_pushinteger(L, Service::of(L).self());
  return 1;
}

// now() -> 1/100 s since starttime(); monotonic.
int core_now(lua_State* L) {
  const auto since = steady_clock::now() - kProcessStart + kStartTime % seconds(1);
  lua_pushinteger(L, std::chrono::duration_cast<milliseconds>(since).count() / 10);
  return 1;
}

// hpc() -> ns since an arbitrary moment; monotonic.
int core_hpc(lua_State* L) {
  const auto since = steady_clock::now() - kProcessStart;
  lua_pushinteger(L, std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
  return 1;
}

// starttime() -> the second of UTC in which the process started.
int core_starttime(lua_State* L) {
  lua_pushinteger(L, std::chrono::duration_cast<seconds>(kStartTime).count());
  return 1;
}

// stat() -> messages that wait for this service, and messages that it was given so far.
int core_stat(lua_State* L) {
  Service& service = Service::of(L);
  const std::size_t waiting = service.runtime().mailbox_length(service.self());
  lua_pushinteger(L, static_cast<lua_Integer>(waiting));
  lua_pushinteger(L, static_cast<lua_Integer>(service.handled()));
  return 2;
}

// genid([after]) -> a session: 1 to 2^31-1, then 1 again. `after` sets where it goes on (tests).
int core_genid(lua_State* L) {
  Service& service = Service::of(L);
  if (!lua_isnoneornil(L, 1)) service.continue_sessions_after(check_session(L, 1));
  lua_pushinteger(L, service.next_session());
  return 1;
}

// timeout(session, centiseconds): a response with `session` comes after that time; 0 and less: at
// once, behind the messages that wait already.
int core_timeout(lua_State* L) {
  const Session session = check_session(L, 1);
  int is_integer = 0;
  const lua_Integer wanted = lua_tointegerx(L, 2, &is_integer);
  if (is_integer == 0 || wanted > std::numeric_limits<std::int32_t>::max()) {
    return raise_argument_at_caller(L, 1, "integer below 2^31 expected");  // The program's first.
  }
  post_response(Service::of(L), milliseconds(std::max<lua_Integer>(wanted, 0) * 10), session);
  return 0;
}

// error(text): writes a log line.
int core_error(lua_State* L) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, 1, &size);
  Service::of(L).log(text, size);
  return 0;
}

// fail(text): ends the service because of an error: that of the first one is the process's.
int core_fail(lua_State* L) {
  Service::of(L).fail(luaL_checkstring(L, 1));
  return 0;
}

// exit(): ends the service after the current message.
int core_exit(lua_State* L) {
  Service::of(L).retire();
  return 0;
}

// callback(f[, forward]): f(type, memory, size, session, source) gets every later message. The
// memory, nil for what a socket or a timer says, is valid until f returns; with `forward` it is
// f's, which must send or trash it. When f raises, f(nil, text) gets the error.
int core_callback(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  Service::of(L).give_bytes_to_lua(lua_toboolean(L, 2) != 0);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &Service::of(L));
  return 0;
}

// counts() -> table of name -> integer: everything that the node counts, by the names that
// `skysock --stats` prints.
int core_counts(lua_State* L) {
  Runtime& runtime = Service::of(L).runtime();
  const CountValues values = count_values(runtime.sockets().counts(), runtime.counts());
  lua_createtable(L, 0, static_cast<int>(values.size()));
  for (std::size_t at = 0; at < values.size(); ++at) {
    lua_pushinteger(L, static_cast<lua_Integer>(values[at]));
    lua_setfield(L, -2, count_names()[at].c_str());
  }
  return 1;
}

// queued(): something was woken or forked, which the scheduler is to run.
int core_queued(lua_State* L) {
  Service::of(L).queued();
  return 0;
}

// see_sockets(): from now on the dispatch function sees everything that happens to sockets.
int core_see_sockets(lua_State* L) {
  Service::of(L).see_sockets();
  return 0;
}

// track_ends(): from now on the dispatch function sees every end of a connection.
int core_track_ends(lua_State* L) {
  Service::of(L).track_ends();
  return 0;
}

// nest_coroutines(): from now on the running coroutine may be one inside of the scheduler's.
int core_nest_coroutines(lua_State* L) {
  Service::of(L).nest_coroutines();
  return 0;
}

}  // namespace

int open_core(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"self", core_self},
                                            {"now", core_now},
                                            {"hpc", core_hpc},
                                            {"genid", core_genid},
                                            {"timeout", core_timeout},
                                            {"error", core_error},
                                            {"fail", core_fail},
                                            {"exit", core_exit},
                                            {"callback", core_callback},
                                            {"counts", core_counts},
                                            {"stat", core_stat},
                                            {"starttime", core_starttime},
                                            {"queued", core_queued},
                                            {"see_sockets", core_see_sockets},
                                            {"track_ends", core_track_ends},
                                            {"nest_coroutines", core_nest_coroutines},
                                            {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  add_caller_functions(L);
  add_coroutine_functions(L);
  add_message_functions(L);
  add_node_functions(L);
  add_seri_functions(L);
  return 1;
}

}  // namespace skysock::lua
