// Streams of three sockets, cut as the input says, through skynet.netpack: every frame must come
// out once, in order and byte for byte, as a model with flat strings has it; nothing above the
// limit.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <lua.hpp>
#include <span>
#include <string>
#include <string_view>

#include "core/base/check.hpp"
#include "fuzz/input_reader.hpp"
#include "lua/bindings/netpack.hpp"
#include "lua/test/flat_frames.hpp"
#include "lua/test/lua_memory.hpp"

namespace {

using skysock::Block;
using skysock::SocketId;
using skysock::SocketMessage;
using skysock::SocketMessageType;
using skysock::fuzz::InputReader;
using skysock::lua::FlatFrames;
using skysock::lua::FrameFormat;
using skysock::lua::LuaMemory;

// (queue, pointer to a SocketMessage): the message lives where no Lua error skips its destructor.
int filter(lua_State* L) {
  const auto* message = static_cast<const SocketMessage*>(lua_touserdata(L, 2));
  return skysock::lua::filter_socket_message(L, *message);
}

/// One VM per input: the module at index 1, a queue at index 2, and the model beside it.
class NetpackWorld {
 public:
  explicit NetpackWorld(FrameFormat format)
      : lua_(lua_newstate(LuaMemory::allocate, &memory_)), model_(format) {
    SKYSOCK_CHECK(lua_ != nullptr);
    skysock::lua::open_netpack(lua_);
    lua_pushinteger(lua_, format.header_bytes);
    lua_pushinteger(lua_, static_cast<lua_Integer>(format.frame_bytes_max));
    call("new", 2, 1);
  }
  NetpackWorld(const NetpackWorld&) = delete;
  NetpackWorld& operator=(const NetpackWorld&) = delete;
  ~NetpackWorld() {
    lua_close(lua_);
    SKYSOCK_CHECK(memory_.bytes == 0);
  }

  void step(InputReader& input) {
    const unsigned choice = input.byte() % 16;
    if (choice < 10) return take(input);
    if (choice < 14) return pop();
    end(choice == 14 ? SocketMessageType::close : SocketMessageType::error, id_of(input));
  }

  /// All that is left comes out.
  void finish() {
    while (!model_.items().empty()) pop();
    pop();
  }

 private:
  static constexpr int kModule = 1;
  static constexpr int kQueue = 2;

  static SocketId id_of(InputReader& input) { return 1 + input.byte() % 3; }

  /// Calls netpack.NAME with the topmost `arguments` values; a Lua error is a failure.
  void call(const char* name, int arguments, int results) {
    lua_getfield(lua_, kModule, name);
    lua_insert(lua_, -1 - arguments);
    SKYSOCK_CHECK(lua_pcall(lua_, arguments, results, 0) == LUA_OK);
  }

  /// netpack.filter; its results but the queue are left above index 2.
  void filter_message(SocketMessageType type, SocketId id, std::string_view data) {
    const SocketMessage message{.type = type, .id = id, .data = Block::copy_of(data)};
    lua_pushcfunction(lua_, filter);
    lua_pushvalue(lua_, kQueue);
    lua_pushlightuserdata(lua_, const_cast<SocketMessage*>(&message));
    SKYSOCK_CHECK(lua_pcall(lua_, 2, LUA_MULTRET, 0) == LUA_OK);
    lua_remove(lua_, kQueue + 1);
  }

  std::string_view result(int at) { return lua_tostring(lua_, kQueue + at); }

  void take(InputReader& input) {
    const SocketId id = id_of(input);
    const auto bytes = input.bytes(input.byte());
    const std::string_view data(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t before = model_.items().size();
    model_.take(id, data);
    const std::size_t now = model_.items().size();
    filter_message(SocketMessageType::data, id, data);
    if (now == before) {
      SKYSOCK_CHECK(lua_gettop(lua_) == kQueue);
    } else if (now > 1 || model_.in_frame(id)) {
      SKYSOCK_CHECK(lua_gettop(lua_) == kQueue + 1 && result(1) == "more");
    } else if (model_.items().front().refused) {
      SKYSOCK_CHECK(lua_gettop(lua_) == kQueue + 3 && result(1) == "error");
      SKYSOCK_CHECK(lua_tointeger(lua_, kQueue + 2) == id);
      check_refusal();
    } else {
      SKYSOCK_CHECK(lua_gettop(lua_) == kQueue + 4 && result(1) == "data");
      check_frame();
    }
    lua_settop(lua_, kQueue);
  }

  void pop() {
    lua_pushvalue(lua_, kQueue);
    call("pop", 1, LUA_MULTRET);
    if (model_.items().empty()) {
      SKYSOCK_CHECK(lua_gettop(lua_) == kQueue);
    } else if (model_.items().front().refused) {
      SKYSOCK_CHECK(lua_gettop(lua_) == kQueue + 3 && lua_isnil(lua_, kQueue + 2));
      SKYSOCK_CHECK(lua_tointeger(lua_, kQueue + 1) == model_.items().front().id);
      check_refusal();
    } else {
      SKYSOCK_CHECK(lua_gettop(lua_) == kQueue + 3);
      check_frame();
    }
    lua_settop(lua_, kQueue);
  }

  /// The text on top names the size that was refused.
  void check_refusal() {
    const std::string size = std::to_string(model_.items().front().size);
    SKYSOCK_CHECK(std::string_view(lua_tostring(lua_, -1)).starts_with("frame of " + size + " "));
    model_.items().pop_front();
  }

  /// The three values on top are the oldest frame; frees it.
  void check_frame() {
    const FlatFrames::Item expected = model_.items().front();
    model_.items().pop_front();
    SKYSOCK_CHECK(lua_tointeger(lua_, -3) == expected.id);
    SKYSOCK_CHECK(lua_tointeger(lua_, -1) == static_cast<lua_Integer>(expected.size));
    call("tostring", 2, 1);
    std::size_t size = 0;
    const char* text = lua_tolstring(lua_, -1, &size);
    SKYSOCK_CHECK(std::string_view(text, size) == expected.payload);
  }

  void end(SocketMessageType type, SocketId id) {
    model_.drop(id);
    filter_message(type, id, "");
    SKYSOCK_CHECK(result(1) == (type == SocketMessageType::close ? "close" : "error"));
    lua_settop(lua_, kQueue);
  }

  LuaMemory memory_;
  lua_State* lua_;
  FlatFrames model_;
};

FrameFormat format_of(InputReader& input) {
  constexpr std::array<FrameFormat, 5> kFormats = {
      {{.header_bytes = 2, .frame_bytes_max = 65'535},
       {.header_bytes = 4, .frame_bytes_max = 16'777'215},
       {.header_bytes = 2, .frame_bytes_max = 16},
       {.header_bytes = 4, .frame_bytes_max = 300},
       {.header_bytes = 4, .frame_bytes_max = 0xffff'ffff}}};
  return kFormats[input.byte() % kFormats.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  InputReader input(std::span(data, size));
  NetpackWorld world(format_of(input));
  while (!input.empty()) world.step(input);
  world.finish();
  return 0;
}
