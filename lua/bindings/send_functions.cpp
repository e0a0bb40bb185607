// The part of skynet.socketdriver that sends to streams and to the default destination of datagram
// sockets.

#include <span>

#include "lua/bindings/driver_arguments.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/outgoing.hpp"
#include "lua/bindings/send_answer.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

// Lua's own memory is copied only when the kernel does not take it at once.
const char* send_now(Service& service, SocketId id, const Outgoing& data,
                     Priority priority) noexcept {
  SocketServer<LinuxSys>& sockets = service.runtime().sockets();
  if (data.kind == Outgoing::Kind::memory) {
    return refusal_of(sockets.send(id, std::span<const std::byte>(data.bytes), priority));
  }
  return refusal_of(sockets.send(id, data.take(service.current()), priority));
}

int send_as(lua_State* L, Priority priority) {
  const SocketId id = check_id(L, 1);
  const Outgoing data = check_outgoing(L, 2);
  return push_answer(L, send_now(Service::of(L), id, data, priority));
}

// send(id, data[, size]) -> true | false, reason: "limit" when too much waits already. See
// check_outgoing() for what `data` may be; it is consumed in every case.
int socket_send(lua_State* L) { return send_as(L, Priority::high); }

// lsend(id, data[, size]): the same with low priority.
int socket_lsend(lua_State* L) { return send_as(L, Priority::low); }

}  // namespace

void add_send_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {
      {"send", socket_send}, {"lsend", socket_lsend}, {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
