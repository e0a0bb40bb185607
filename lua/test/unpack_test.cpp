// Do messages made by forward_message reach Lua with the right type, id, ud and text or payload,
// and do the buffer functions give the payload back byte for byte? Leaks are found by ASan's leak
// check.

#include "lua/bindings/unpack.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "core/base/prng.hpp"
#include "lua/bindings/modules.hpp"

namespace skysock::lua {
namespace {

// message(text) -> what unpack gives for data that says `text`.
int message_of(lua_State* L) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, 1, &size);
  SocketMessage message{.type = SocketMessageType::data, .id = 1, .data = Block(size)};
  std::copy_n(reinterpret_cast<const std::byte*>(text), size, message.data.bytes().data());
  return unpack_socket_message(L, std::move(message));
}

class UnpackTest : public testing::Test {
 protected:
  UnpackTest() : state_(luaL_newstate(), lua_close) {
    luaL_openlibs(lua());
    luaL_requiref(lua(), "driver", open_socket_driver, 1);
    lua_settop(lua(), 0);
  }

  lua_State* lua() { return state_.get(); }

  // Unpacks what forward_message makes of the event: four values on the stack.
  void unpack(EventKind kind, SocketId id, std::int64_t ud, std::string_view data) {
    Event event{.kind = kind, .id = id, .to = 7, .ud = ud, .data = Block::copy_of(data)};
    Message message = forward_message(std::move(event));
    ASSERT_EQ(message.type, MessageType::socket);
    lua_settop(lua(), 0);
    const int pushed =
        unpack_socket_message(lua(), std::get<SocketMessage>(std::move(message.payload)));
    ASSERT_EQ(pushed, kind == EventKind::udp ? 5 : 4);
    ASSERT_EQ(lua_gettop(lua()), pushed);
  }

  void expect_head(SocketMessageType type, SocketId id, std::int64_t ud) {
    EXPECT_EQ(lua_tointeger(lua(), 1), static_cast<lua_Integer>(type));
    EXPECT_EQ(lua_tointeger(lua(), 2), id);
    EXPECT_EQ(lua_tointeger(lua(), 3), ud);
  }

  // Runs `code`; a Lua error fails the test with its text.
  void run(const std::string& code) {
    EXPECT_EQ(luaL_dostring(lua(), code.c_str()), LUA_OK) << lua_tostring(lua(), -1);
  }

 private:
  std::unique_ptr<lua_State, void (*)(lua_State*)> state_;
};

TEST_F(UnpackTest, DataArrivesAsAPayloadThatPushTakes) {
  unpack(EventKind::data, 5, 3, "abc");
  expect_head(SocketMessageType::data, 5, 3);
  lua_setglobal(lua(), "payload");
  run(R"(
    local b = driver.buffer()
    assert(driver.push(b, nil, payload) == 3)
    assert(driver.push(b, nil, payload) == 3, "an emptied payload adds nothing")
    assert(driver.readall(b) == "abc")
    assert(driver.readall(b) == "" and driver.size(b) == 0)
  )");
}

TEST_F(UnpackTest, PayloadThatNobodyTookIsFreedByTheNextMessage) {
  for (int i = 0; i < 3; ++i) unpack(EventKind::data, 5, 100'000, std::string(100'000, 'x'));
  lua_setglobal(lua(), "payload");
  run("driver.drop(payload) assert(driver.push(driver.buffer(), nil, payload) == 0)");
}

TEST_F(UnpackTest, TextKindsCarryAtMost128Bytes) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 129U, 5000U}) {
    const std::string text(size, 't');
    for (const auto& [kind, type] : {std::pair{EventKind::open, SocketMessageType::connect},
                                     std::pair{EventKind::accept, SocketMessageType::accept},
                                     std::pair{EventKind::error, SocketMessageType::error}}) {
      unpack(kind, 2'147'483'647, 42, text);
      expect_head(type, 2'147'483'647, 42);
      ASSERT_EQ(lua_type(lua(), 4), LUA_TSTRING);
      EXPECT_EQ(std::string(lua_tostring(lua(), 4)), text.substr(0, kSocketTextBytesMax));
    }
  }
}

TEST_F(UnpackTest, TextMayHoldZeroBytes) {
  const std::string text("a\0b", 3);
  unpack(EventKind::error, 1, 0, text);
  EXPECT_EQ(lua_rawlen(lua(), 4), 3U);
}

TEST_F(UnpackTest, CloseCarriesNothing) {
  unpack(EventKind::close, 9, 1, "");
  expect_head(SocketMessageType::close, 9, 1);
  EXPECT_EQ(lua_type(lua(), 4), LUA_TNIL);
}

TEST_F(UnpackTest, DatagramIsItsPayloadAndTheAddressBehindIt) {
  const std::string address("\1\x1f\x41\x7f\0\0\1", 7);
  for (const std::string& payload :
       {std::string("hello"), std::string(), std::string(2'000, 'x')}) {
    const auto size = static_cast<std::int64_t>(payload.size());
    unpack(EventKind::udp, 9, size, payload + address);
    expect_head(SocketMessageType::udp, 9, size);
    ASSERT_EQ(lua_type(lua(), 5), LUA_TSTRING);
    EXPECT_EQ(std::string(lua_tostring(lua(), 5), lua_rawlen(lua(), 5)), address);
    lua_settop(lua(), 4);
    lua_setglobal(lua(), "payload");
    lua_pushlstring(lua(), payload.data(), payload.size());
    lua_setglobal(lua(), "expected");
    run("assert(driver.text(payload) == expected) assert(driver.text(payload) == '')");
  }
}

TEST_F(UnpackTest, DatagramWhoseSizeIsNotItsOwnIsCut) {
  for (const std::int64_t size : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(),
                                  std::int64_t{4}, std::numeric_limits<std::int64_t>::max()}) {
    unpack(EventKind::udp, 9, size, "abc");
    EXPECT_EQ(lua_rawlen(lua(), 5), size < 0 ? 3U : 0U);
  }
}

TEST_F(UnpackTest, WarningCarriesItsKibibytesOnly) {
  unpack(EventKind::warning, 9, 1024, "");
  expect_head(SocketMessageType::warning, 9, 1024);
  EXPECT_EQ(lua_type(lua(), 4), LUA_TNIL);
}

TEST_F(UnpackTest, PushTakesMemoryOfStr2p) {
  run(R"(
    local b = driver.buffer()
    assert(driver.push(b, nil, driver.str2p("abc")) == 3)
    assert(driver.push(b, {}, driver.str2p("")) == 3)
    assert(driver.push(b, {}, driver.str2p("\0de")) == 6)
    assert(driver.readall(b, {}) == "abc\0de")
    driver.drop(driver.str2p("never read"))
    local memory = driver.str2p("x")
    assert(not pcall(driver.push, b, nil, memory))
    assert(not pcall(driver.push, b, nil, memory, -1))
    assert(not pcall(driver.push, b, nil, memory, 1 << 31))
    assert(not pcall(driver.push, b, nil, memory, 1.5))
    assert(driver.push(b, nil, memory, 1) == 1)
    driver.push(b, nil, driver.str2p("freed with the buffer"))
  )");
}

TEST_F(UnpackTest, HeaderIsABigEndianNumber) {
  run(R"(
    assert(driver.header("\x01") == 1)
    assert(driver.header("\x01\x02") == 0x102)
    assert(driver.header("\0\0\1") == 1)
    assert(driver.header("\xff\xff\xff\xff") == 0xffffffff)
    assert(not pcall(driver.header, "") and not pcall(driver.header, "12345"))
  )");
}

TEST_F(UnpackTest, ReadlineHasNoLimitUnlessItIsSaid) {
  lua_pushcfunction(lua(), message_of);
  lua_setglobal(lua(), "message");
  run(R"(
    local b = driver.buffer()
    driver.push(b, nil, (select(4, message(("x"):rep(1000000)))))
    assert(driver.readline(b, {}, "\n") == nil and driver.readline(b, nil, "\n") == false)
    driver.push(b, nil, (select(4, message("\n"))))
    assert(driver.readline(b, nil, "\n") == true)
    assert(#driver.readline(b, {}, "\n") == 1000000)
  )");
}

TEST_F(UnpackTest, EmptyDataIsAnEmptyPayload) {
  unpack(EventKind::data, 9, 0, "");
  lua_setglobal(lua(), "payload");
  run("assert(driver.push(driver.buffer(), nil, payload) == 0)");
}

TEST_F(UnpackTest, PopGivesExactlyWhatWasAskedOrNil) {
  unpack(EventKind::data, 1, 6, "abcdef");
  lua_setglobal(lua(), "payload");
  run(R"(
    local b = driver.buffer()
    driver.push(b, nil, payload)
    local data, rest = driver.pop(b, nil, 7)
    assert(data == nil and rest == 6)
    data, rest = driver.pop(b, nil, 4)
    assert(data == "abcd" and rest == 2)
    data, rest = driver.pop(b, nil, 0)
    assert(data == nil and rest == 2)
    driver.clear(b)
    assert(driver.size(b) == 0 and driver.pop(b, nil, 1) == nil)
  )");
}

TEST_F(UnpackTest, LineTooLongDoesNotDependOnHowItIsCut) {
  lua_pushcfunction(lua(), message_of);
  lua_setglobal(lua(), "message");
  run(R"(
    local function fill(text, piece)
      local b = driver.buffer()
      for at = 1, #text, piece do
        driver.push(b, nil, (select(4, message(text:sub(at, at + piece - 1)))))
      end
      return b
    end
    for piece = 1, 9 do
      local fits, too_long = fill("12345\r\n", piece), fill("123456\r\n", piece)
      assert(driver.readline(too_long, nil, "\r\n", 5) == true)
      assert(driver.readline(too_long, true, "\r\n", 5) == false)
      assert(driver.size(too_long) == 8, "nothing is consumed")
      assert(driver.readline(fits, nil, "\r\n", 5) == true)
      assert(driver.readline(fits, true, "\r\n", 5) == "12345")
      assert(driver.size(fits) == 0)
      local open = fill("12345\r", piece)
      assert(driver.readline(open, nil, "\r\n", 5) == false)
      assert(driver.readline(open, true, "\r\n", 5) == nil)
    end
  )");
}

TEST_F(UnpackTest, WrongArgumentsRaise) {
  run(R"(
    local b = driver.buffer()
    assert(not pcall(driver.push, b, nil, b))
    assert(not pcall(driver.push, b, nil, 1))
    assert(not pcall(driver.pop, b, nil, -1))
    assert(not pcall(driver.pop, b, nil, 1.5))
    assert(not pcall(driver.pop, b, nil, "x"))
    assert(not pcall(driver.pop, io.stdout, nil, 1))
    assert(not pcall(driver.readline, b, nil, "", 10))
    assert(not pcall(driver.readline, b, nil, "\n", -1))
    assert(not pcall(driver.readall))
    assert(not pcall(driver.text, b))
  )");
}

/// Lua's allocator; from the `left`-th allocation on, there is no memory.
struct Allocations {
  long left = std::numeric_limits<long>::max();

  static void* allocate(void* self, void* block, std::size_t, std::size_t size) {
    auto* counter = static_cast<Allocations*>(self);
    if (size == 0) {
      free(block);
      return nullptr;
    }
    if (counter->left == 0) return nullptr;
    --counter->left;
    return realloc(block, size);
  }
};

int unpack_waiting(lua_State* L) {
  auto* waiting = static_cast<SocketMessage*>(lua_touserdata(L, 1));
  return unpack_socket_message(L, std::move(*waiting));
}

// Lets every allocation of an unpack fail in turn: nothing may leak (ASan says so), and the message
// still owns its Block when unpack raised.
TEST(Unpack, OutOfMemoryAnywhereLosesNothing) {
  int raised = 0;
  for (long left = 0; left < 40; ++left) {
    Allocations memory;
    lua_State* L = lua_newstate(Allocations::allocate, &memory);
    SocketMessage message{.type = SocketMessageType::data, .id = 1, .ud = 3, .data = Block(3)};
    lua_pushcfunction(L, unpack_waiting);
    lua_pushlightuserdata(L, &message);
    memory.left = left;
    const bool unpacked = lua_pcall(L, 1, 4, 0) == LUA_OK;
    memory = Allocations();
    EXPECT_EQ(message.data.empty(), unpacked) << "memory for " << left << " allocations";
    raised += unpacked ? 0 : 1;
    lua_close(L);
  }
  EXPECT_GT(raised, 0) << "no allocation failed: the test shows nothing";
  EXPECT_LT(raised, 40) << "no unpack succeeded: the test shows nothing";
}

}  // namespace
}  // namespace skysock::lua
