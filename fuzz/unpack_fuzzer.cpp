// Drives messages made by forward_message() through the Lua unpack into receive buffers. The Lua
// values must say what the event said (text cut at 128 bytes, a datagram cut where its address
// begins), and buffers give back what was sent.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <lua.hpp>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "core/base/check.hpp"
#include "core/service/message.hpp"
#include "fuzz/input_reader.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/unpack.hpp"
#include "lua/test/lua_memory.hpp"

namespace {

using skysock::EventKind;
using skysock::SocketMessageType;
using skysock::fuzz::InputReader;
using skysock::lua::LuaMemory;

/// One VM per input, with the driver's functions in a table at index 1, a buffer of the driver at
/// index 2, and the same bytes as a plain string beside it.
class UnpackWorld {
 public:
  UnpackWorld() : lua_(lua_newstate(LuaMemory::allocate, &memory_)) {
    SKYSOCK_CHECK(lua_ != nullptr);
    lua_newtable(lua_);
    skysock::lua::add_buffer_functions(lua_);
    new_buffer();
  }
  UnpackWorld(const UnpackWorld&) = delete;
  UnpackWorld& operator=(const UnpackWorld&) = delete;
  ~UnpackWorld() {
    lua_close(lua_);
    SKYSOCK_CHECK(memory_.bytes == 0);
  }

  void step(InputReader& input) {
    switch (input.below(6)) {
      case 0:
      case 1:
        return take_message(input);
      case 5:
        return push_memory(payload(input));
      case 2:
        return pop(input.byte());
      case 3:
        return readline(input);
      default:
        return read_all();
    }
  }

  /// Everything that is left comes out, then the buffer is really empty.
  void finish() {
    read_all();
    read_all();
  }

 private:
  static constexpr int kFunctions = 1;
  static constexpr int kBuffer = 2;

  void new_buffer() {
    call("buffer", 0, 1);
    SKYSOCK_CHECK(lua_gettop(lua_) == kBuffer);
  }

  /// Calls driver.NAME with the topmost `arguments` values; a Lua error is a failure.
  void call(const char* name, int arguments, int results) {
    lua_getfield(lua_, kFunctions, name);
    lua_insert(lua_, -1 - arguments);
    SKYSOCK_CHECK(lua_pcall(lua_, arguments, results, 0) == LUA_OK);
  }

  std::string take_string() {
    SKYSOCK_CHECK(lua_type(lua_, -1) == LUA_TSTRING);
    std::size_t size = 0;
    const char* text = lua_tolstring(lua_, -1, &size);
    std::string result(text, size);
    lua_pop(lua_, 1);
    return result;
  }

  std::size_t take_size() {
    SKYSOCK_CHECK(lua_isinteger(lua_, -1));
    const auto result = static_cast<std::size_t>(lua_tointeger(lua_, -1));
    lua_pop(lua_, 1);
    return result;
  }

  /// One event of any kind through forward_message() and unpack.
  void take_message(InputReader& input) {
    constexpr std::array kKinds = {EventKind::data,  EventKind::open,  EventKind::accept,
                                   EventKind::close, EventKind::error, EventKind::warning,
                                   EventKind::udp};
    constexpr std::array kTypes = {SocketMessageType::data,   SocketMessageType::connect,
                                   SocketMessageType::accept, SocketMessageType::close,
                                   SocketMessageType::error,  SocketMessageType::warning,
                                   SocketMessageType::udp};
    const std::size_t which = input.below(kKinds.size());
    const auto id = static_cast<skysock::SocketId>(number(input, 4) & 0x7fffffff);
    const auto ud = static_cast<std::int64_t>(number(input, 8));
    const bool empty = kKinds[which] == EventKind::close || kKinds[which] == EventKind::warning;
    const std::string data = empty ? std::string() : payload(input);
    skysock::Message message =
        skysock::forward_message({.kind = kKinds[which],
                                  .id = id,
                                  .to = 1,
                                  .ud = ud,
                                  .data = skysock::Block::copy_of(std::string_view(data))});
    SKYSOCK_CHECK(message.type == skysock::MessageType::socket);
    SKYSOCK_CHECK(message.session == 0 && message.source == 0);
    const int pushed = skysock::lua::unpack_socket_message(
        lua_, std::get<skysock::SocketMessage>(std::move(message.payload)));
    SKYSOCK_CHECK(pushed == (kKinds[which] == EventKind::udp ? 5 : 4));
    SKYSOCK_CHECK(lua_gettop(lua_) == kBuffer + pushed);
    SKYSOCK_CHECK(lua_tointeger(lua_, kBuffer + 1) == static_cast<int>(kTypes[which]));
    SKYSOCK_CHECK(lua_tointeger(lua_, kBuffer + 2) == id);
    SKYSOCK_CHECK(lua_tointeger(lua_, kBuffer + 3) == ud);
    const bool keep = input.below(4) != 0;
    if (kKinds[which] == EventKind::udp) {
      take_datagram(data, ud, keep);
    } else {
      take_value(kKinds[which], data, keep);
    }
    lua_settop(lua_, kBuffer);
  }

  /// The fourth and fifth value of a datagram, whatever it says that its size is.
  void take_datagram(const std::string& data, std::int64_t ud, bool keep) {
    const auto size = static_cast<std::size_t>(
        std::clamp<std::int64_t>(ud, 0, static_cast<std::int64_t>(data.size())));
    SKYSOCK_CHECK(take_string() == data.substr(size));
    if (keep) return take_value(EventKind::data, data.substr(0, size), true);
    call("text", 1, 1);
    SKYSOCK_CHECK(take_string() == data.substr(0, size));
  }

  /// Bytes that come from a program, not from a socket.
  void push_memory(const std::string& data) {
    lua_pushvalue(lua_, kBuffer);
    lua_pushnil(lua_);
    lua_pushlstring(lua_, data.data(), data.size());
    call("str2p", 1, 2);
    call("push", 4, 1);
    expected_ += data;
    SKYSOCK_CHECK(take_size() == expected_.size());
  }

  /// The fourth value: text, payload or nothing.
  void take_value(EventKind kind, const std::string& data, bool keep) {
    if (kind == EventKind::close || kind == EventKind::warning) {
      return SKYSOCK_CHECK(lua_isnil(lua_, -1));
    }
    if (kind != EventKind::data) return SKYSOCK_CHECK(take_string() == data.substr(0, 128));
    if (!keep) return call("drop", 1, 0);
    lua_pushvalue(lua_, kBuffer);
    lua_pushnil(lua_);
    lua_rotate(lua_, -3, -1);
    call("push", 3, 1);
    expected_ += data;
    SKYSOCK_CHECK(take_size() == expected_.size());
  }

  void pop(std::size_t count) {
    lua_pushvalue(lua_, kBuffer);
    lua_pushnil(lua_);
    lua_pushinteger(lua_, static_cast<lua_Integer>(count));
    call("pop", 3, 2);
    const std::size_t left = take_size();
    if (count == 0 || count > expected_.size()) {
      SKYSOCK_CHECK(lua_isnil(lua_, -1));
      lua_pop(lua_, 1);
    } else {
      SKYSOCK_CHECK(take_string() == expected_.substr(0, count));
      expected_.erase(0, count);
    }
    SKYSOCK_CHECK(left == expected_.size());
    SKYSOCK_CHECK(lua_gettop(lua_) == kBuffer);
  }

  void readline(InputReader& input) {
    constexpr std::array<std::string_view, 4> kSeparators = {"\n", "\r\n", "aab", "ab"};
    const std::string_view separator = kSeparators[input.below(kSeparators.size())];
    const std::size_t limit = input.byte();
    lua_pushvalue(lua_, kBuffer);
    lua_pushboolean(lua_, 1);
    lua_pushlstring(lua_, separator.data(), separator.size());
    lua_pushinteger(lua_, static_cast<lua_Integer>(limit));
    call("readline", 4, 1);
    const std::size_t at = expected_.find(separator);
    if (at != std::string::npos && at <= limit) {
      SKYSOCK_CHECK(take_string() == expected_.substr(0, at));
      expected_.erase(0, at + separator.size());
    } else {
      // nil: not there yet; false: too long already.
      if (at != std::string::npos) SKYSOCK_CHECK(lua_isboolean(lua_, -1));
      SKYSOCK_CHECK(lua_toboolean(lua_, -1) == 0);
      lua_pop(lua_, 1);
    }
    SKYSOCK_CHECK(lua_gettop(lua_) == kBuffer);
  }

  void read_all() {
    lua_pushvalue(lua_, kBuffer);
    call("readall", 1, 1);
    SKYSOCK_CHECK(take_string() == expected_);
    expected_.clear();
    SKYSOCK_CHECK(lua_gettop(lua_) == kBuffer);
  }

  static std::uint64_t number(InputReader& input, int bytes) {
    std::uint64_t value = 0;
    for (int at = 0; at < bytes; ++at) value = value << 8U | input.byte();
    return value;
  }

  /// Sizes around the limit of text, or up to 64 KiB; the bytes repeat a piece of the input.
  static std::string payload(InputReader& input) {
    constexpr std::array<std::size_t, 8> kSizes = {0, 1, 127, 128, 129, 4'096, 65'536, 3};
    const std::size_t choice = input.byte();
    const std::size_t size = choice < kSizes.size() ? kSizes[choice] : choice;
    const auto piece = input.bytes(1 + input.below(16));
    std::string text(size, '\0');
    for (std::size_t at = 0; at < size && !piece.empty(); ++at) {
      text[at] = static_cast<char>(piece[at % piece.size()]);
    }
    return text;
  }

  LuaMemory memory_;
  lua_State* lua_;
  std::string expected_;  ///< What the buffer holds.
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  InputReader input(std::span(data, size));
  UnpackWorld world;
  for (int count = 0; count < 64 && !input.empty(); ++count) world.step(input);
  world.finish();
  return 0;
}
