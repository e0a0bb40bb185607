// The entries of skynet.socket as Lua sees them.

#include "lua/bindings/stream.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <string_view>

#include "lua/bindings/driver_arguments.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

constexpr lua_Integer kBallast = 40;  // Entries that are no socket's.
constexpr char kEntriesKey = 0;       // Its address is the registry key.

// Types of userdata: Lua has not, or has, changed it.
constexpr const char* kStreamType = "skysock.stream";
constexpr const char* kFinalisedStreamType = "skysock.stream.finalised";

// User values: the thread that waits; a table of the fields that only Lua knows.
constexpr int kThreadValue = 1;
constexpr int kFieldsValue = 2;

struct Flag {
  std::string_view name;
  bool Stream::* member;
};
constexpr std::array kFlags = {
    Flag{"has_stream", &Stream::stream},   Flag{"connected", &Stream::connected},
    Flag{"opening", &Stream::opening},     Flag{"closing", &Stream::closing},
    Flag{"suspended", &Stream::suspended}, Flag{"special", &Stream::special}};

bool Stream::* flag_of(std::string_view name) {
  const auto* flag = std::ranges::find(kFlags, name, &Flag::name);
  return flag == kFlags.end() ? nullptr : flag->member;
}

std::string_view check_text(lua_State* L, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, index, &size);
  return {text, size};
}

// The largest number of unread bytes that does not exceed the limit at `index`; nil is none.
std::uint32_t unread_max(lua_State* L, int index) {
  const lua_Number limit = luaL_optnumber(L, index, kUnreadBytesMax);
  if (!(limit < kUnreadBytesMax)) return kUnreadBytesMax;  // NaN, too: nothing is more than it.
  return limit > 0 ? static_cast<std::uint32_t>(limit) : 0;
}

// stream.name: a flag, `id`, `waiting` (in one of our calls), `waits_for_line` (in readline of
// them), or what Lua gave it.
int stream_get(lua_State* L) {
  const Stream* stream = check_stream(L, 1);
  const std::string_view name = check_text(L, 2);
  if (bool Stream::* flag = flag_of(name)) {
    lua_pushboolean(L, stream->*flag);
  } else if (name == "id") {
    lua_pushinteger(L, stream->id);
  } else if (name == "waiting") {
    lua_pushboolean(L, stream->waiter != nullptr);
  } else if (name == "waits_for_line") {
    lua_pushboolean(L, stream->waits_for_line());
  } else if (name == "callback" && stream->accepts) {
    lua_getiuservalue(L, 1, kThreadValue);
  } else {
    if (lua_getiuservalue(L, 1, kFieldsValue) == LUA_TTABLE) {
      lua_pushvalue(L, 2);
      lua_rawget(L, -2);
    }
    // Received bytes are its own, unless it was given those of another.
    if (lua_isnil(L, -1) && name == "buffer" && stream->stream) lua_pushvalue(L, 1);
  }
  return 1;
}

int stream_set(lua_State* L) {
  Stream* stream = check_stream(L, 1);
  const std::string_view name = check_text(L, 2);
  if (luaL_testudata(L, 1, kStreamType) != nullptr) {
    luaL_getmetatable(L, kFinalisedStreamType);
    lua_setmetatable(L, 1);
  }
  if (bool Stream::* flag = flag_of(name)) {
    stream->*flag = lua_toboolean(L, 3) != 0;
    return 0;
  }
  if (name == "buffer_limit") stream->unread_max = unread_max(L, 3);
  if (name == "held") stream->held = lua_toboolean(L, 3) != 0;  // What it says is kept below.
  if (name == "callback" && stream->waiter == nullptr && lua_isfunction(L, 3)) {
    stream->accepts = true;
    lua_settop(L, 3);
    lua_setiuservalue(L, 1, kThreadValue);
    stream->anchored = nullptr;
    return 0;
  }
  if (lua_getiuservalue(L, 1, kFieldsValue) != LUA_TTABLE) {
    if (lua_isnil(L, 3)) return 0;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, kFieldsValue);
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return 0;
}

// entries() -> the table id -> stream.
int stream_entries(lua_State* L) {
  push_entries(L);
  return 1;
}

// stream(id) -> a new one, not yet in the entries.
int stream_new(lua_State* L) {
  new_stream(L, check_id(L, 1));
  return 1;
}

// waiting(stream) -> the coroutine that one of our calls suspended, or nothing.
int stream_waiting(lua_State* L) {
  if (check_stream(L, 1)->waiter == nullptr) return 0;
  lua_getiuservalue(L, 1, kThreadValue);
  return 1;
}

// surplus(stream) -> how many bytes more than the call that waits asked for were received, or
// nothing: what it waits for is not there.
int stream_surplus(lua_State* L) {
  Stream* stream = check_stream(L, 1);
  if (stream->waiter == nullptr || !satisfied(*stream)) return 0;
  const bool counted = stream->waits == Stream::Waits::bytes;
  const std::size_t surplus = stream->bytes.size() - (counted ? stream->wanted : 0);
  lua_pushinteger(L, static_cast<lua_Integer>(surplus));
  return 1;
}

// waiter(stream) -> the coroutine that one of our calls suspended and that is to be resumed now, or
// nothing.
int stream_waiter(lua_State* L) {
  Stream* stream = check_stream(L, 1);
  if (stream->waiter == nullptr) return 0;
  stream->waiter = nullptr;
  lua_getiuservalue(L, 1, kThreadValue);
  return 1;
}

int stream_gc(lua_State* L) {
  check_stream(L, 1)->bytes.clear();
  return 0;
}

void close_socket(Service& service, SocketId id) noexcept {
  [[maybe_unused]] const auto closed = service.runtime().sockets().close(
      service.self(), id, CloseMode::soft, CloseAnswer::not_needed);
}

// At the VM's end: what nobody closed.
int entries_gc(lua_State* L) {
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    auto* stream = static_cast<Stream*>(lua_touserdata(L, -1));
    if (stream->id > 0) close_socket(Service::of(L), stream->id);
    stream->bytes.clear();  // Those that Lua never changed have no finaliser.
    lua_pop(L, 1);
  }
  return 0;
}

// Lua sizes a table by what is in it: with few sockets, a new one would often find it full and have
// it made again, 600 instructions for every accepted connection. So the table on top is never
// small.
void add_ballast(lua_State* L) {
  new_stream(L, 0);
  for (lua_Integer key = -kBallast; key < 0; ++key) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, key);
  }
  lua_pop(L, 1);
}

}  // namespace

void push_entries(lua_State* L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &kEntriesKey); }

void push_new_entries(lua_State* L) {
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kEntriesKey);
}

Stream* push_stream(lua_State* L, int entries, SocketId id) {
  lua_rawgeti(L, entries, id);
  return static_cast<Stream*>(lua_touserdata(L, -1));
}

Stream* new_stream(lua_State* L, SocketId id) {
  static_assert(std::is_nothrow_default_constructible_v<Stream>);
  auto* stream = new (lua_newuserdatauv(L, sizeof(Stream), kFieldsValue)) Stream();
  stream->id = id;
  luaL_setmetatable(L, kStreamType);
  return stream;
}

void end_stream(lua_State* L, Stream& stream) {
  stream.bytes.clear();
  stream.connected = stream.opening = false;
  push_entries(L);
  lua_rawgeti(L, -1, stream.id);
  if (lua_touserdata(L, -1) == &stream) {
    lua_pushnil(L);
    lua_rawseti(L, -3, stream.id);
  }
  lua_pop(L, 2);
}

Stream* test_stream(lua_State* L, int index) {
  void* stream = luaL_testudata(L, index, kStreamType);
  if (stream == nullptr) stream = luaL_testudata(L, index, kFinalisedStreamType);
  return static_cast<Stream*>(stream);
}

Stream* check_stream(lua_State* L, int index) {
  Stream* stream = test_stream(L, index);
  if (stream == nullptr) luaL_typeerror(L, index, "socket entry");
  return stream;
}

void push_callback(lua_State* L, int index) { lua_getiuservalue(L, index, kThreadValue); }

int wait_on_stream(lua_State* L, int index, Stream& stream, Stream::Waits waits, std::size_t wanted,
                   lua_KFunction then) {
  if (stream.anchored != L) {
    lua_pushthread(L);
    lua_setiuservalue(L, index, kThreadValue);
    stream.anchored = L;
  }
  stream.waiter = L;
  stream.waits = waits;
  stream.wanted = wanted;
  return lua_yieldk(L, 0, 0, then);
}

bool satisfied(Stream& stream) {
  switch (stream.waits) {
    case Stream::Waits::bytes:
      return stream.bytes.size() >= std::max<std::size_t>(stream.wanted, 1);
    case Stream::Waits::line:
      return stream.bytes.find_again().has_value() || stream.bytes.scanned() > stream.wanted;
    case Stream::Waits::open:
    case Stream::Waits::close:
      return false;
  }
  return false;
}

void push_head(lua_State* L, const ReceiveBuffer& buffer, std::size_t count) {
  if (count == 0) {
    lua_pushliteral(L, "");
    return;
  }
  if (const char* bytes = buffer.contiguous(count)) {
    lua_pushlstring(L, bytes, count);
    return;
  }
  luaL_Buffer joined;
  buffer.copy_to(luaL_buffinitsize(L, &joined, count), count);
  luaL_pushresultsize(&joined, count);
}

void add_stream_functions(lua_State* L) {
  for (const char* type : {kStreamType, kFinalisedStreamType}) {
    luaL_newmetatable(L, type);
    constexpr luaL_Reg kMeta[] = {
        {"__index", stream_get}, {"__newindex", stream_set}, {nullptr, nullptr}};
    luaL_setfuncs(L, kMeta, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_pushcfunction(L, stream_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 2);
  push_entries(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, entries_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  add_ballast(L);
  lua_pop(L, 1);
  static constexpr luaL_Reg kFunctions[] = {{"entries", stream_entries}, {"stream", stream_new},
                                            {"waiting", stream_waiting}, {"waiter", stream_waiter},
                                            {"surplus", stream_surplus}, {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
