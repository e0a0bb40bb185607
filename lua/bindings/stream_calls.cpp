// What coroutines call on streams most: start, read, readline, close. Each is a closure of two Lua
// functions: `otherwise(...)`, which does the whole call wherever a Stream is not a plain one, and
// `after(stream, ...)`, which ends a call that waited, unless it ended plainly.

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "lua/bindings/modules.hpp"
#include "lua/bindings/service.hpp"
#include "lua/bindings/stream.hpp"

namespace skysock::lua {
namespace {

constexpr lua_Integer kLineBytesMax = 16 * 1024 * 1024;  // A line without end must not fill memory.

// On the stack of a call: its arguments, then its Stream.
constexpr int kArguments = 3;
constexpr int kStream = kArguments + 1;
const int kOtherwise = lua_upvalueindex(1);
const int kAfter = lua_upvalueindex(2);
const int kEntries = lua_upvalueindex(3);

int results(lua_State* L, int, lua_KContext) { return lua_gettop(L) - kStream; }

int otherwise(lua_State* L) {
  lua_settop(L, kStream);
  lua_pushvalue(L, kOtherwise);
  for (int index = 1; index <= kArguments; ++index) lua_pushvalue(L, index);
  lua_callk(L, kArguments, LUA_MULTRET, 0, results);
  return results(L, LUA_OK, 0);
}

int after(lua_State* L) {
  lua_settop(L, kStream);
  lua_pushvalue(L, kAfter);
  lua_pushvalue(L, kStream);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_call(L, 3, LUA_MULTRET);
  return results(L, LUA_OK, 0);
}

/// The Stream that argument 1 names, at kStream of the stack; nullptr: there is none.
Stream* stream_of_call(lua_State* L) {
  lua_settop(L, kArguments);
  lua_rawgeti(L, kEntries, lua_tointegerx(L, 1, nullptr));  // There is no 0.
  return static_cast<Stream*>(lua_touserdata(L, kStream));
}

bool may_wait(lua_State* L, const Stream& stream) {
  return stream.waiter == nullptr && lua_isyieldable(L) != 0 && Service::of(L).waits_here();
}

// ---- read

int push_bytes(lua_State* L, Stream& stream, std::size_t count) {
  push_head(L, stream.bytes, count);
  stream.bytes.drop(count);
  return 1;
}

int push_end(lua_State* L, Stream& stream) {
  lua_pushboolean(L, 0);
  push_bytes(L, stream, stream.bytes.size());
  return 2;
}

int read_after(lua_State* L, int, lua_KContext) {
  auto* stream = static_cast<Stream*>(lua_touserdata(L, kStream));
  if (Block* block = std::exchange(stream->arrived, nullptr)) {
    const std::string_view text = block->text();
    lua_pushlstring(L, text.data(), text.size());
    *block = Block();
    return 1;
  }
  if (!stream->plain()) return after(L);
  if (stream->bytes.size() >= std::max<std::size_t>(stream->wanted, 1)) {
    return push_bytes(L, *stream, stream->wanted == 0 ? stream->bytes.size() : stream->wanted);
  }
  return stream->alive() ? after(L) : push_end(L, *stream);
}

// read(id[, n]), as reading.lua says.
int call_read(lua_State* L) {
  Stream* stream = stream_of_call(L);
  int is_integer = 1;
  const lua_Integer wanted = lua_isnil(L, 2) ? 0 : lua_tointegerx(L, 2, &is_integer);
  if (stream == nullptr || !stream->plain() || is_integer == 0 || wanted < 0 ||
      (wanted == 0 && !lua_isnil(L, 2))) {
    return otherwise(L);
  }
  const auto count = static_cast<std::size_t>(wanted);
  if (stream->bytes.size() >= std::max<std::size_t>(count, 1)) {
    return push_bytes(L, *stream, count == 0 ? stream->bytes.size() : count);
  }
  if (!stream->alive()) return push_end(L, *stream);
  if (!may_wait(L, *stream)) return otherwise(L);
  return wait_on_stream(L, kStream, *stream, Stream::Waits::bytes, count, read_after);
}

// ---- readline

// Pushes the line that ends at `end`, and forgets it and its separator.
int push_line(lua_State* L, Stream& stream, std::size_t end) {
  push_head(L, stream.bytes, end);
  stream.bytes.drop(end + stream.bytes.separator().size());
  return 1;
}

int line_after(lua_State* L, int, lua_KContext) {
  auto* stream = static_cast<Stream*>(lua_touserdata(L, kStream));
  if (stream->plain()) {
    const std::optional<std::size_t> end = stream->bytes.find_again();
    if (end && *end <= stream->wanted) return push_line(L, *stream, *end);
  }
  return after(L);
}

// readline(id[, separator[, limit]]), as reading.lua says.
int call_readline(lua_State* L) {
  Stream* stream = stream_of_call(L);
  std::size_t size = 1;
  const char* text = lua_isnil(L, 2) ? "\n" : lua_tolstring(L, 2, &size);
  int is_integer = 1;
  const lua_Integer limit = lua_isnil(L, 3) ? kLineBytesMax : lua_tointegerx(L, 3, &is_integer);
  if (stream == nullptr || !stream->plain() || text == nullptr || size == 0 || is_integer == 0 ||
      limit < 0 || stream->waits_for_line()) {  // The search is that of who waits.
    return otherwise(L);
  }
  const auto longest = static_cast<std::size_t>(limit);
  const std::optional<std::size_t> end = stream->bytes.find({text, size});
  if (end && *end <= longest) return push_line(L, *stream, *end);
  const bool more_may_come = !end && stream->bytes.scanned() <= longest && stream->alive();
  if (!more_may_come || !may_wait(L, *stream)) return otherwise(L);
  return wait_on_stream(L, kStream, *stream, Stream::Waits::line, longest, line_after);
}

// ---- start, close

int start_after(lua_State* L, int, lua_KContext) {
  const auto* stream = static_cast<Stream*>(lua_touserdata(L, kStream));
  if (!stream->connected) return after(L);
  lua_pushvalue(L, 1);
  return 1;
}

bool start_socket(Service& service, SocketId id) noexcept {
  return service.runtime().sockets().start(service.self(), id).has_value();
}

// start(id[, callback[, options]]), as opening.lua says.
int call_start(lua_State* L) {
  Stream* stream = stream_of_call(L);
  int is_integer = 0;
  const lua_Integer id = lua_tointegerx(L, 1, &is_integer);
  Service& service = Service::of(L);
  const bool plain = is_integer != 0 && id > 0 && id <= std::numeric_limits<SocketId>::max() &&
                     lua_isnil(L, 2) && lua_isnil(L, 3) && !service.tracks_ends();
  if (stream != nullptr || !plain || lua_isyieldable(L) == 0 || !service.waits_here()) {
    return otherwise(L);
  }
  lua_settop(L, kArguments);
  stream = new_stream(L, static_cast<SocketId>(id));
  lua_pushvalue(L, kStream);
  lua_rawseti(L, kEntries, id);
  stream->opening = true;
  if (!start_socket(service, stream->id)) {
    end_stream(L, *stream);
    return otherwise(L);  // Says why.
  }
  return wait_on_stream(L, kStream, *stream, Stream::Waits::open, 0, start_after);
}

int close_after(lua_State* L, int, lua_KContext) {
  end_stream(L, *static_cast<Stream*>(lua_touserdata(L, kStream)));
  return 0;
}

bool close_socket(Service& service, SocketId id, CloseAnswer answer) noexcept {
  return service.runtime().sockets().close(service.self(), id, CloseMode::soft, answer).has_value();
}

// close(id), as closing.lua says.
int call_close(lua_State* L) {
  Stream* stream = stream_of_call(L);
  if (stream == nullptr || !stream->plain() || stream->opening || !may_wait(L, *stream)) {
    return otherwise(L);
  }
  const bool connected = stream->connected;
  stream->closing = true;
  const bool taken = close_socket(Service::of(L), stream->id,
                                  connected ? CloseAnswer::wanted : CloseAnswer::not_needed);
  if (!taken || !connected) return close_after(L, LUA_OK, 0);
  return wait_on_stream(L, kStream, *stream, Stream::Waits::close, 0, close_after);
}

template <lua_CFunction Call>
int make_call(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  push_entries(L);
  lua_pushcclosure(L, Call, 3);
  return 1;
}

}  // namespace

void add_stream_calls(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"read_call", make_call<call_read>},
                                            {"readline_call", make_call<call_readline>},
                                            {"start_call", make_call<call_start>},
                                            {"close_call", make_call<call_close>},
                                            {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
  lua_pushinteger(L, kLineBytesMax);
  lua_setfield(L, -2, "LINE_BYTES_MAX");
}

}  // namespace skysock::lua
