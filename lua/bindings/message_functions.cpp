// The part of skynet.core that handles the bytes of messages and sends them. Every function reads
// its arguments, then calls one `noexcept` function that owns all C++ objects and returns plain
// data: no Lua error can skip a destructor.

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>
#include <variant>

#include "lua/bindings/caller.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

/// A message's bytes as Lua passes them: a string, or memory with its size, which the callee frees.
struct Bytes {
  const char* data = nullptr;
  std::size_t size = 0;
  bool owned = false;
};

/// A Block of its own. Memory that is the current message's is taken out of that: a program that
/// sends on what it was given moves it, in skynet it must say so before (skynet.forward_type).
Block block_of(Service& service, const Bytes& bytes) noexcept {
  const std::string_view text(bytes.data, bytes.size);
  if (!bytes.owned) return Block::copy_of(text);
  Message* message = service.current();
  Block* current = message == nullptr ? nullptr : std::get_if<Block>(&message->payload);
  void* memory = const_cast<char*>(bytes.data);
  if (current != nullptr && current->bytes().data() == memory) {
    Block taken = std::move(*current);
    taken.shorten(std::min(taken.size(), bytes.size));
    return taken;
  }
  return Block::adopt({static_cast<std::byte*>(memory), bytes.size}, memory, std::free);
}

void free_bytes(Service& service, const Bytes& bytes) noexcept {
  const Block freed = bytes.owned ? block_of(service, bytes) : Block();
}

/// Argument `index`, and the next one if it is memory. Raises when it is neither.
Bytes check_bytes(lua_State* L, int index) {
  Bytes bytes;
  if (lua_type(L, index) == LUA_TSTRING) {
    bytes.data = lua_tolstring(L, index, &bytes.size);
    return bytes;
  }
  luaL_argcheck(L, lua_islightuserdata(L, index), index,
                "string, or light userdata and size expected");
  const lua_Integer size = luaL_checkinteger(L, index + 1);
  luaL_argcheck(L, size >= 0, index + 1, "size below 0");
  bytes.data = static_cast<const char*>(lua_touserdata(L, index));
  bytes.size = static_cast<std::size_t>(size);
  bytes.owned = true;
  return bytes;
}

/// Where a message goes and what stands on it; or the argument that is wrong and why.
struct Envelope {
  ServiceHandle to = 0;
  ServiceHandle source = 0;
  MessageType type = MessageType::text;
  Session session = 0;
  int wrong = 0;
  const char* problem = nullptr;

  void refuse(int index, const char* text) {
    if (problem == nullptr) {
      wrong = index;
      problem = text;
    }
  }
};

/// Argument `index` as an integer from `least` to `most`.
lua_Integer read_integer(lua_State* L, int index, lua_Integer least, lua_Integer most,
                         const char* otherwise, Envelope& envelope) {
  int is_integer = 0;
  const lua_Integer value = lua_tointegerx(L, index, &is_integer);
  if (is_integer != 0 && value >= least && value <= most) return value;
  envelope.refuse(index, otherwise);
  return 0;
}

constexpr lua_Integer kHandleMax = std::numeric_limits<ServiceHandle>::max();

void read_destination(lua_State* L, Service& service, Envelope& envelope) {
  if (lua_type(L, 1) == LUA_TSTRING) {
    std::size_t size = 0;
    const char* text = lua_tolstring(L, 1, &size);
    envelope.to = service.node().resolve({text, size});
  } else if (lua_isinteger(L, 1) != 0 && lua_tointeger(L, 1) == 0) {
    envelope.refuse(1, "invalid service address 0");
  } else {
    envelope.to = static_cast<ServiceHandle>(
        read_integer(L, 1, 1, kHandleMax, "service address (integer or name) expected", envelope));
  }
}

/// Arguments `index` and the next: type and session; a session of nil is a new one.
void read_type_and_session(lua_State* L, int index, Service& service, Envelope& envelope) {
  envelope.type = static_cast<MessageType>(
      read_integer(L, index, 0, 255, "message type from 0 to 255 expected", envelope));
  if (lua_isnoneornil(L, index + 1)) {
    envelope.session = service.next_session();
  } else {
    envelope.session =
        static_cast<Session>(read_integer(L, index + 1, 0, std::numeric_limits<Session>::max(),
                                          "session from 0 to 2^31-1 expected", envelope));
  }
}

bool post(Service& service, const Envelope& envelope, const Bytes& bytes) noexcept {
  return service.runtime().post(envelope.to, Message{.type = envelope.type,
                                                     .session = envelope.session,
                                                     .source = envelope.source,
                                                     .payload = block_of(service, bytes)});
}

// session | nil when nobody lives there. The bytes are used up in every case.
int send_bytes(lua_State* L, Service& service, const Envelope& envelope, const Bytes& bytes) {
  if (envelope.problem != nullptr) {
    free_bytes(service, bytes);
    return raise_argument_at_caller(L, envelope.wrong, envelope.problem);
  }
  if (!post(service, envelope, bytes)) return 0;
  lua_pushinteger(L, envelope.session);
  return 1;
}

// send(to, type, session | nil, string | memory, size) -> session | nothing.
int core_send(lua_State* L) {
  const Bytes bytes = check_bytes(L, 4);
  Service& service = Service::of(L);
  Envelope envelope{.source = service.self()};
  read_destination(L, service, envelope);
  read_type_and_session(L, 2, service, envelope);
  return send_bytes(L, service, envelope, bytes);
}

// redirect(to, source, type, session | nil, string | memory, size) -> session | nothing.
int core_redirect(lua_State* L) {
  const Bytes bytes = check_bytes(L, 5);
  Service& service = Service::of(L);
  Envelope envelope;
  read_destination(L, service, envelope);
  envelope.source = static_cast<ServiceHandle>(
      read_integer(L, 2, 0, kHandleMax, "service address (integer) expected", envelope));
  read_type_and_session(L, 3, service, envelope);
  return send_bytes(L, service, envelope, bytes);
}

// tostring(memory, size) -> string; a string is itself, nothing is nothing. The memory stays.
int core_tostring(lua_State* L) {
  if (lua_isnoneornil(L, 1)) return 0;
  const Bytes bytes = check_bytes(L, 1);
  lua_pushlstring(L, bytes.data, bytes.size);
  return 1;
}

// trash(memory, size): frees it; a string or nothing is left alone.
int core_trash(lua_State* L) {
  if (lua_isnoneornil(L, 1)) return 0;
  free_bytes(Service::of(L), check_bytes(L, 1));
  return 0;
}

}  // namespace

void add_message_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"send", core_send},
                                            {"redirect", core_redirect},
                                            {"tostring", core_tostring},
                                            {"trash", core_trash},
                                            {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
