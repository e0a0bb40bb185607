// The part of skynet.socketdriver about the life of a socket: made, started, held, handed over,
// closed; and what a message says of it.

#include <limits>
#include <utility>
#include <variant>

#include "lua/bindings/driver_arguments.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/receive_buffer.hpp"
#include "lua/bindings/service.hpp"
#include "lua/bindings/unpack.hpp"

namespace skysock::lua {
namespace {

constexpr lua_Integer kBacklogMax = 65'535;  // The kernel cuts larger ones to somaxconn anyway.

Outcome connect_to(Service& service, const Address& address) noexcept {
  const Result<HostPort> target = host_port(address);
  if (!target || target->port == 0) {
    return Outcome::mistake("\"host:port\" or host and port from 1 to 65535 expected");
  }
  return outcome_of(service.runtime().sockets().open(service.self(), target->host, target->port));
}

Outcome listen_on(Service& service, const Address& address, int backlog) noexcept {
  const Result<HostPort> target = host_port(address);
  if (!target) return Outcome::mistake("\"host:port\" or host and port from 0 to 65535 expected");
  return outcome_of(
      service.runtime().sockets().listen(service.self(), target->host, target->port, backlog));
}

Outcome bind_to(Service& service, int fd) noexcept {
  return outcome_of(service.runtime().sockets().bind(service.self(), fd));
}

Outcome start_socket(Service& service, SocketId id) noexcept {
  Outcome outcome = outcome_of(service.runtime().sockets().start(service.self(), id));
  outcome.id = id;
  return outcome;
}

bool hold_socket(Service& service, SocketId id) noexcept {
  return service.runtime().sockets().hold(service.self(), id).has_value();
}

bool hand_over_socket(Service& service, SocketId id) noexcept {
  return service.runtime().sockets().hand_over(service.self(), id).has_value();
}

bool give_back_all(Service& service, SocketId id, ReceiveBuffer& buffer) noexcept {
  SocketServer<LinuxSys>& sockets = service.runtime().sockets();
  bool given = true;
  while (given && buffer.size() > 0) {
    given = sockets.give_back(service.self(), id, buffer.take_block()).has_value();
  }
  buffer.clear();
  return sockets.hand_over_done(service.self(), id).has_value() && given;
}

bool close_socket(Service& service, SocketId id, CloseMode mode, CloseAnswer answer) noexcept {
  return service.runtime().sockets().close(service.self(), id, mode, answer).has_value();
}

// connect(host, port | "host:port") -> id | nil, reason. OPEN or ERR follows.
int socket_connect(lua_State* L) {
  const Outcome outcome = connect_to(Service::of(L), check_address(L, 1));
  return push_outcome(L, outcome);
}

// listen(host, port[, backlog] | "host:port"[, nil, backlog]) -> id | nil, reason. OPEN follows.
int socket_listen(lua_State* L) {
  const Address address = check_address(L, 1);
  const lua_Integer backlog = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, backlog >= 0 && backlog <= kBacklogMax, 3, "backlog out of range");
  const Outcome outcome = listen_on(Service::of(L), address, static_cast<int>(backlog));
  return push_outcome(L, outcome);
}

// bind(fd) -> id | nil, reason. OPEN or ERR follows. The descriptor is never closed.
int socket_bind(lua_State* L) {
  const lua_Integer fd = check_range(L, 1, 0, std::numeric_limits<int>::max());
  return push_outcome(L, bind_to(Service::of(L), static_cast<int>(fd)));
}

// start(id) -> id | nil, reason. OPEN or ERR follows.
int socket_start(lua_State* L) {
  return push_outcome(L, start_socket(Service::of(L), check_id(L, 1)));
}

// pause(id) -> taken. Nothing is read, or accepted, until the next start.
int socket_pause(lua_State* L) {
  lua_pushboolean(L, hold_socket(Service::of(L), check_id(L, 1)));
  return 1;
}

// hand_over(id) -> taken. CONNECT with the text "handover" follows, behind all data.
int socket_hand_over(lua_State* L) {
  lua_pushboolean(L, hand_over_socket(Service::of(L), check_id(L, 1)));
  return 1;
}

// give_back(id, buffer) -> taken. The next owner gets what is in the buffer first; it is empty
// then.
int socket_give_back(lua_State* L) {
  const SocketId id = check_id(L, 1);
  ReceiveBuffer* buffer = check_buffer(L, 2);
  lua_pushboolean(L, give_back_all(Service::of(L), id, *buffer));
  return 1;
}

int close_as(lua_State* L, CloseMode mode) {
  const CloseAnswer answer =
      lua_toboolean(L, 2) != 0 ? CloseAnswer::wanted : CloseAnswer::not_needed;
  lua_pushboolean(L, close_socket(Service::of(L), check_id(L, 1), mode, answer));
  return 1;
}

// close(id[, answer]) -> taken. What is queued is sent first. `answer`: a CLOSE comes in any case.
int socket_close(lua_State* L) { return close_as(L, CloseMode::soft); }

// shutdown(id[, answer]) -> taken. What the kernel does not take at once is lost.
int socket_shutdown(lua_State* L) { return close_as(L, CloseMode::abortive); }

// unpack() -> type, id, ud, payload | text | nil, address of a datagram: of the message being
// handled.
int socket_unpack(lua_State* L) {
  Message* message = Service::of(L).current();
  auto* socket_message =
      message == nullptr ? nullptr : std::get_if<SocketMessage>(&message->payload);
  if (socket_message == nullptr) return luaL_error(L, "no socket message is being handled");
  return unpack_socket_message(L, std::move(*socket_message));
}

}  // namespace

void add_socket_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {
      {"connect", socket_connect},     {"listen", socket_listen}, {"bind", socket_bind},
      {"start", socket_start},         {"pause", socket_pause},   {"hand_over", socket_hand_over},
      {"give_back", socket_give_back}, {"close", socket_close},   {"shutdown", socket_shutdown},
      {"unpack", socket_unpack},       {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

int open_socket_driver(lua_State* L) {
  lua_newtable(L);
  add_buffer_functions(L);
  add_stream_functions(L);
  add_stream_calls(L);
  add_socket_functions(L);
  add_option_functions(L);
  add_send_functions(L);
  add_datagram_functions(L);
  add_lookup_functions(L);
  return 1;
}

}  // namespace skysock::lua
