// The part of skynet.socketdriver that talks to the socket server. Every function here reads its
// arguments, then calls one `noexcept` function that owns all C++ objects and returns plain data:
// no Lua error can skip a destructor.

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/sys/endpoint.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/service.hpp"
#include "lua/bindings/unpack.hpp"
#include "lua/bindings/userdata.hpp"

namespace skysock::lua {
namespace {

constexpr std::size_t kReasonBytesMax = 256;
constexpr lua_Integer kBacklogMax = 65'535;  // The kernel cuts larger ones to somaxconn anyway.

/// How a call went, as memory that an error may abandon.
struct Outcome {
  bool ok = false;
  bool malformed = false;  // The caller's mistake, not the network's.
  SocketId id = 0;
  std::array<char, kReasonBytesMax> reason{};

  void set_reason(std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), kReasonBytesMax - 1);
    std::copy_n(text.begin(), size, reason.begin());
    reason[size] = '\0';
  }
};
static_assert(std::is_trivially_destructible_v<Outcome>);

template <typename T>
Outcome outcome_of(const Result<T>& result) {
  Outcome outcome;
  outcome.ok = result.has_value();
  if (!outcome.ok) outcome.set_reason(result.error().message());
  if constexpr (std::is_same_v<T, SocketId>) outcome.id = result.value_or(0);
  return outcome;
}

SocketId check_id(lua_State* L, int index) {
  const lua_Integer id = luaL_checkinteger(L, index);
  luaL_argcheck(L, id >= 1 && id <= std::numeric_limits<SocketId>::max(), index,
                "socket id expected");
  return static_cast<SocketId>(id);
}

/// Arguments 1 and 2 of connect and listen: "host:port", or host and port.
struct Address {
  std::string_view host;
  bool has_port = false;
  std::uint16_t port = 0;
};

Address check_address(lua_State* L) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, 1, &size);
  const std::string_view host(text, size);
  luaL_argcheck(L, !host.empty() && host.find('\0') == std::string_view::npos, 1,
                "address expected");
  if (lua_isnoneornil(L, 2)) return {.host = host, .has_port = false, .port = 0};
  const lua_Integer port = luaL_checkinteger(L, 2);
  luaL_argcheck(L, port >= 0 && port <= 65'535, 2, "port out of range 0 to 65535");
  return {.host = host, .has_port = true, .port = static_cast<std::uint16_t>(port)};
}

Result<HostPort> host_port(const Address& address) {
  if (!address.has_port) return parse_host_port(address.host);
  std::string_view host = address.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return HostPort{.host = std::string(host), .port = address.port};
}

Outcome connect_to(Service& service, const Address& address) noexcept {
  const Result<HostPort> target = host_port(address);
  if (!target || target->port == 0) {
    Outcome outcome;
    outcome.malformed = true;
    outcome.set_reason("\"host:port\" or host and port from 1 to 65535 expected");
    return outcome;
  }
  return outcome_of(service.runtime().sockets().open(service.self(), target->host, target->port));
}

Outcome listen_on(Service& service, const Address& address, int backlog) noexcept {
  const Result<HostPort> target = host_port(address);
  if (!target) {
    Outcome outcome;
    outcome.malformed = true;
    outcome.set_reason("\"host:port\" or host and port from 0 to 65535 expected");
    return outcome;
  }
  return outcome_of(
      service.runtime().sockets().listen(service.self(), target->host, target->port, backlog));
}

Outcome start_socket(Service& service, SocketId id) noexcept {
  return outcome_of(service.runtime().sockets().start(service.self(), id));
}

bool close_socket(Service& service, SocketId id, CloseMode mode, CloseAnswer answer) noexcept {
  return service.runtime().sockets().close(service.self(), id, mode, answer).has_value();
}

bool send_block(Service& service, SocketId id, Block block, Priority priority) noexcept {
  return service.runtime().sockets().send(id, std::move(block), priority).has_value();
}

bool send_copy(Service& service, SocketId id, std::string_view text, Priority priority) noexcept {
  return send_block(service, id, Block::copy_of(text), priority);
}

// Makes room in `payload`, which a later Lua error cannot leak.
void allocate(Payload* payload, std::size_t size) noexcept { payload->block = Block(size); }

// id | nil, reason; raises for a malformed address.
int push_outcome(lua_State* L, const Outcome& outcome) {
  if (outcome.malformed) luaL_argerror(L, 1, outcome.reason.data());
  if (!outcome.ok) {
    lua_pushnil(L);
    lua_pushstring(L, outcome.reason.data());
    return 2;
  }
  lua_pushinteger(L, outcome.id);
  return 1;
}

// connect(host, port | "host:port") -> id | nil, reason. OPEN or ERR follows.
int socket_connect(lua_State* L) {
  const Outcome outcome = connect_to(Service::of(L), check_address(L));
  return push_outcome(L, outcome);
}

// listen(host, port[, backlog] | "host:port"[, nil, backlog]) -> id | nil, reason. OPEN follows.
int socket_listen(lua_State* L) {
  const Address address = check_address(L);
  const lua_Integer backlog = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, backlog >= 0 && backlog <= kBacklogMax, 3, "backlog out of range");
  const Outcome outcome = listen_on(Service::of(L), address, static_cast<int>(backlog));
  return push_outcome(L, outcome);
}

// start(id) -> id | nil, reason. OPEN or ERR follows.
int socket_start(lua_State* L) {
  Outcome outcome = start_socket(Service::of(L), check_id(L, 1));
  outcome.id = static_cast<SocketId>(lua_tointeger(L, 1));
  return push_outcome(L, outcome);
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

struct Parts {
  lua_Integer count = 0;
  std::size_t bytes = 0;
};

// Counts the strings (or numbers, which become strings) t[1], t[2], ... of the table at 2, up to
// the first nil.
Parts measure_parts(lua_State* L) {
  Parts parts;
  while (lua_rawgeti(L, 2, parts.count + 1) != LUA_TNIL) {
    std::size_t size = 0;
    if (lua_tolstring(L, -1, &size) == nullptr) {
      luaL_error(L, "string expected at index %I of the data table, got %s", parts.count + 1,
                 luaL_typename(L, -1));
    }
    ++parts.count;
    parts.bytes += size;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return parts;
}

void copy_parts(lua_State* L, lua_Integer count, std::span<std::byte> into) {
  for (lua_Integer i = 1; i <= count; ++i) {
    lua_rawgeti(L, 2, i);
    std::size_t size = 0;
    const char* text = lua_tolstring(L, -1, &size);
    if (size > into.size()) luaL_error(L, "data table changed while it was sent");
    std::copy_n(reinterpret_cast<const std::byte*>(text), size, into.data());
    into = into.subspan(size);
    lua_pop(L, 1);
  }
}

bool send_table(lua_State* L, SocketId id, Priority priority) {
  const Parts parts = measure_parts(L);
  Payload* joined = new_payload(L);
  allocate(joined, parts.bytes);
  copy_parts(L, parts.count, joined->block.bytes());
  return send_block(Service::of(L), id, std::move(joined->block), priority);
}

int send_as(lua_State* L, Priority priority) {
  const SocketId id = check_id(L, 1);
  bool sent = false;
  if (lua_type(L, 2) == LUA_TTABLE) {
    sent = send_table(L, id, priority);
  } else {
    std::size_t size = 0;
    const char* text = luaL_checklstring(L, 2, &size);
    sent = send_copy(Service::of(L), id, {text, size}, priority);
  }
  lua_pushboolean(L, sent);
  return 1;
}

// send(id, string | number | table of them) -> whether the id takes data; lsend: low priority.
int socket_send(lua_State* L) { return send_as(L, Priority::high); }
int socket_lsend(lua_State* L) { return send_as(L, Priority::low); }

// unpack() -> type, id, ud, payload | text | nil of the message being handled.
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
      {"connect", socket_connect},   {"listen", socket_listen}, {"start", socket_start},
      {"close", socket_close},       {"send", socket_send},     {"lsend", socket_lsend},
      {"shutdown", socket_shutdown}, {"unpack", socket_unpack}, {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

int open_socket_driver(lua_State* L) {
  lua_newtable(L);
  add_buffer_functions(L);
  add_socket_functions(L);
  return 1;
}

}  // namespace skysock::lua
