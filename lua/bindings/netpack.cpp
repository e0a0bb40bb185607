#include "lua/bindings/netpack.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <variant>

#include "lua/bindings/frame_queue.hpp"
#include "lua/bindings/service.hpp"
#include "lua/bindings/userdata.hpp"

namespace skysock::lua {
namespace {

constexpr const char* kQueueType = "skysock.frame_queue";
constexpr lua_Integer kWideLimit = 16 * 1'024 * 1'024 - 1;  // What skynet's C gate takes.

FrameQueue* check_queue(lua_State* L) {
  return static_cast<FrameQueue*>(luaL_checkudata(L, 1, kQueueType));
}

int queue_gc(lua_State* L) {
  check_queue(L)->clear();
  return 0;
}

FrameQueue* new_queue(lua_State* L) { return new_userdata<FrameQueue>(L, kQueueType, queue_gc); }

/// The argument for a header of 2 or 4 bytes.
unsigned check_header(lua_State* L, int index) {
  const lua_Integer header = luaL_optinteger(L, index, 2);
  luaL_argcheck(L, header == 2 || header == 4, index, "header of 2 or 4 bytes expected");
  return static_cast<unsigned>(header);
}

constexpr lua_Integer longest_frame(unsigned header_bytes) {
  return (lua_Integer{1} << (8 * header_bytes)) - 1;
}

/// A Frame as memory that an error may abandon, once Lua owns its bytes.
struct Popped {
  bool any = false;
  SocketId id = 0;
  void* data = nullptr;
  std::size_t size = 0;
};

Popped pop_frame(FrameQueue* queue) noexcept {
  std::optional<Frame> frame = queue->pop();
  if (!frame) return {};
  return {.any = true, .id = frame->id, .data = frame->data.release(), .size = frame->size};
}

void push_refusal(lua_State* L, FrameQueue* queue, std::size_t size) {
  lua_pushfstring(L, "frame of %I bytes announced, limit %I", static_cast<lua_Integer>(size),
                  static_cast<lua_Integer>(queue->format().frame_bytes_max));
}

/// fd, msg, size of the oldest frame, or fd, nil, text. Requires: room for 3 on the stack.
int push_frame(lua_State* L, FrameQueue* queue) {
  const Popped frame = pop_frame(queue);
  if (!frame.any) return 0;
  lua_pushinteger(L, frame.id);
  if (frame.data == nullptr) {
    lua_pushnil(L);
    push_refusal(L, queue, frame.size);
  } else {
    lua_pushlightuserdata(L, frame.data);
    lua_pushinteger(L, static_cast<lua_Integer>(frame.size));
  }
  return 3;
}

/// filter for DATA: queue, then nothing, "data" fd, msg, size, "error" fd, text, or "more".
int filter_data(lua_State* L, FrameQueue* queue, const SocketMessage& message) {
  switch (queue->take(message.id, message.data.bytes())) {
    case FrameQueue::Found::nothing:
      return 1;
    case FrameQueue::Found::more:
      lua_pushliteral(L, "more");
      return 2;
    case FrameQueue::Found::one:
      break;
  }
  lua_pushliteral(L, "data");  // Before the frame leaves the queue: it may raise.
  push_frame(L, queue);
  if (!lua_isnil(L, -2)) return 5;
  lua_remove(L, -2);
  lua_pushliteral(L, "error");
  lua_replace(L, 2);
  return 4;
}

void push_text(lua_State* L, const SocketMessage& message) {
  const std::string_view text = message.data.text();
  lua_pushlstring(L, text.data(), text.size());
}

// filter(queue | nil[, msg, size]): msg and size are those of the message being handled anyway.
int netpack_filter(lua_State* L) {
  Message* message = Service::of(L).current();
  auto* socket_message =
      message == nullptr ? nullptr : std::get_if<SocketMessage>(&message->payload);
  if (socket_message == nullptr) return luaL_error(L, "no socket message is being handled");
  return filter_socket_message(L, *socket_message);
}

// pop(queue | nil) -> fd, msg, size | fd, nil, text | nothing.
int netpack_pop(lua_State* L) {
  if (lua_isnoneornil(L, 1)) return 0;
  return push_frame(L, check_queue(L));
}

// clear(queue | nil)
int netpack_clear(lua_State* L) {
  if (!lua_isnoneornil(L, 1)) check_queue(L)->clear();
  return 0;
}

/// A string, or a userdata with the number of its bytes after it.
std::string_view check_bytes(lua_State* L, int index) {
  if (lua_isuserdata(L, index) == 0) {
    std::size_t size = 0;
    const char* text = luaL_checklstring(L, index, &size);
    return {text, size};
  }
  const lua_Integer size = luaL_checkinteger(L, index + 1);
  luaL_argcheck(L, size >= 0, index + 1, "not negative expected");
  const bool is_full = lua_type(L, index) == LUA_TUSERDATA;
  luaL_argcheck(L, !is_full || static_cast<lua_Unsigned>(size) <= lua_rawlen(L, index), index + 1,
                "larger than the userdata");
  return {static_cast<const char*>(lua_touserdata(L, index)), static_cast<std::size_t>(size)};
}

// pack(string | userdata, size[, header]) -> msg, size of a frame with header.
int netpack_pack(lua_State* L) {
  const std::string_view data = check_bytes(L, 1);
  const unsigned header = check_header(L, 3);
  luaL_argcheck(L, static_cast<lua_Integer>(data.size()) <= longest_frame(header), 1,
                "too long for a frame");
  lua_settop(L, 3);
  auto* frame = static_cast<char*>(std::malloc(header + data.size()));
  if (frame == nullptr) return luaL_error(L, "not enough memory for a frame");
  for (unsigned at = 0; at < header; ++at) {
    frame[at] = static_cast<char>(data.size() >> (8 * (header - 1 - at)));
  }
  std::copy_n(data.begin(), data.size(), frame + header);
  lua_pushlightuserdata(L, frame);
  lua_pushinteger(L, static_cast<lua_Integer>(header + data.size()));
  return 2;
}

// tostring(msg, size) -> string; frees msg.
int netpack_tostring(lua_State* L) {
  if (lua_isnoneornil(L, 1)) {
    lua_pushliteral(L, "");
    return 1;
  }
  luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
  const std::string_view data = check_bytes(L, 1);
  lua_pushlstring(L, data.data(), data.size());
  std::free(lua_touserdata(L, 1));
  return 1;
}

// new([header[, limit]]) -> queue.
int netpack_new(lua_State* L) {
  const unsigned header = check_header(L, 1);
  const lua_Integer most = longest_frame(header);
  const lua_Integer limit = luaL_optinteger(L, 2, std::min(most, kWideLimit));
  luaL_argcheck(L, limit >= 1 && limit <= most, 2, "limit out of range");
  new_queue(L)->set_format(
      {.header_bytes = header, .frame_bytes_max = static_cast<std::size_t>(limit)});
  return 1;
}

}  // namespace

int filter_socket_message(lua_State* L, const SocketMessage& message) {
  lua_settop(L, 1);
  luaL_checkstack(L, 6, "socket message");
  if (lua_isnil(L, 1)) {
    new_queue(L);
    lua_replace(L, 1);
  }
  FrameQueue* queue = check_queue(L);
  switch (message.type) {
    case SocketMessageType::data:
      return filter_data(L, queue, message);
    case SocketMessageType::connect:
      lua_pushliteral(L, "init");
      lua_pushinteger(L, message.id);
      push_text(L, message);
      lua_pushinteger(L, message.ud);
      return 5;
    case SocketMessageType::accept:
      lua_pushliteral(L, "open");
      lua_pushinteger(L, message.ud);
      push_text(L, message);
      return 4;
    case SocketMessageType::close:
      queue->drop(message.id);
      lua_pushliteral(L, "close");
      lua_pushinteger(L, message.id);
      return 3;
    case SocketMessageType::error:
      queue->drop(message.id);
      lua_pushliteral(L, "error");
      lua_pushinteger(L, message.id);
      push_text(L, message);
      return 4;
    case SocketMessageType::warning:
      lua_pushliteral(L, "warning");
      lua_pushinteger(L, message.id);
      lua_pushinteger(L, message.ud);
      return 4;
    case SocketMessageType::udp:
      break;  // No stream, so no frames.
  }
  return 1;
}

int open_netpack(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {
      {"filter", netpack_filter}, {"pop", netpack_pop},           {"clear", netpack_clear},
      {"pack", netpack_pack},     {"tostring", netpack_tostring}, {"new", netpack_new},
      {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}

}  // namespace skysock::lua
