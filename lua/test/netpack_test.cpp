// Does skynet.netpack say of each socket message what a gate expects, and who owns the memory of
// frames? How streams are cut is in frame_queue_test.cpp. Leaks and double frees are found by ASan.

#include "lua/bindings/netpack.hpp"

#include <gtest/gtest.h>

#include <lua.hpp>
#include <memory>
#include <string>
#include <string_view>

namespace skysock::lua {
namespace {

// (queue, pointer to a SocketMessage): the message lives where no Lua error skips its destructor.
int filter(lua_State* L) {
  return filter_socket_message(L, *static_cast<const SocketMessage*>(lua_touserdata(L, 2)));
}

class NetpackTest : public testing::Test {
 protected:
  NetpackTest() : state_(luaL_newstate(), lua_close) {
    luaL_openlibs(lua());
    luaL_requiref(lua(), "netpack", open_netpack, 1);
    lua_settop(lua(), 0);
    run(R"(
      function expect(...)
        local wanted = table.pack(...)
        for i = 1, math.max(wanted.n, #got) do
          assert(got[i] == wanted[i], ("%d: %s expected, got %s"):format(i, wanted[i], got[i]))
        end
        assert(got.n == wanted.n, "number of results: " .. got.n)
      end
      function raises(pattern, f, ...)
        local ok, err = pcall(f, ...)
        assert(not ok, "no error raised")
        assert(err:find(pattern), "other error raised: " .. err)
      end
    )");
  }

  lua_State* lua() { return state_.get(); }

  // netpack.filter with the global `queue`; the results but the queue go to the global `got`.
  void take(SocketMessageType type, SocketId id, std::int64_t ud, std::string_view data) {
    const SocketMessage message{.type = type, .id = id, .ud = ud, .data = Block::copy_of(data)};
    lua_pushcfunction(lua(), filter);
    lua_getglobal(lua(), "queue");
    lua_pushlightuserdata(lua(), const_cast<SocketMessage*>(&message));
    ASSERT_EQ(lua_pcall(lua(), 2, LUA_MULTRET, 0), LUA_OK) << lua_tostring(lua(), -1);
    lua_createtable(lua(), lua_gettop(lua()), 1);
    lua_insert(lua(), 1);
    lua_pushinteger(lua(), lua_gettop(lua()) - 2);
    lua_setfield(lua(), 1, "n");
    for (int at = lua_gettop(lua()) - 2; at >= 1; --at) lua_rawseti(lua(), 1, at);
    lua_setglobal(lua(), "queue");
    lua_setglobal(lua(), "got");
  }

  void take_data(SocketId id, std::string_view data) {
    take(SocketMessageType::data, id, static_cast<std::int64_t>(data.size()), data);
  }

  // Runs `code`; a Lua error fails the test with its text.
  void run(const std::string& code) {
    EXPECT_EQ(luaL_dostring(lua(), code.c_str()), LUA_OK) << lua_tostring(lua(), -1);
    lua_settop(lua(), 0);
  }

 private:
  std::unique_ptr<lua_State, void (*)(lua_State*)> state_;
};

TEST_F(NetpackTest, MessagesWithoutDataSayWhatHappened) {
  take(SocketMessageType::connect, 3, 8'888, "127.0.0.1");
  run("expect('init', 3, '127.0.0.1', 8888)");
  take(SocketMessageType::accept, 3, 2'147'483'647, "10.0.0.1:5");
  run("expect('open', 2147483647, '10.0.0.1:5')");
  take(SocketMessageType::error, 4, 0, "Connection reset by peer");
  run("expect('error', 4, 'Connection reset by peer')");
  take(SocketMessageType::warning, 4, 1'024, "");
  run("expect('warning', 4, 1024)");
  take(SocketMessageType::close, 4, 0, "");
  run("expect('close', 4)");
  take(SocketMessageType::udp, 4, 0, "datagram");
  run("expect()");
}

TEST_F(NetpackTest, DataIsNothingOneFrameOrMore) {
  take_data(5, std::string_view("\0", 1));
  run("expect()");
  take_data(5, "\3abc");
  run(R"(
    expect("data", 5, got[3], 3)
    assert(type(got[3]) == "userdata" and netpack.tostring(got[3], got[4]) == "abc")
    assert(netpack.pop(queue) == nil)
  )");
  take_data(5, std::string_view("\0\0\0\1x\0", 6));
  run(R"(
    expect("more")
    local fd, msg, size = netpack.pop(queue)
    assert(fd == 5 and size == 0 and netpack.tostring(msg, size) == "")
    fd, msg, size = netpack.pop(queue)
    assert(fd == 5 and netpack.tostring(msg, size) == "x")
    assert(select("#", netpack.pop(queue)) == 0)
  )");
}

TEST_F(NetpackTest, CloseAndErrorDropThePartialFrame) {
  for (const SocketMessageType end : {SocketMessageType::close, SocketMessageType::error}) {
    take_data(5, std::string_view("\0\4ab", 4));
    take(end, 5, 0, "");
    take_data(5, std::string_view("\0\1x", 3));
    run("expect('data', 5, got[3], 1) assert(netpack.tostring(got[3], got[4]) == 'x')");
  }
}

TEST_F(NetpackTest, AFrameAboveTheLimitIsAnError) {
  run("queue = netpack.new(4, 3)");
  take_data(5, std::string_view("\0\0\0\4", 4));
  run("expect('error', 5, 'frame of 4 bytes announced, limit 3')");
  take_data(6, std::string_view("\0\0\0\3abc\0\0\1\0", 11));
  run(R"(
    expect("more")
    local fd, msg, size = netpack.pop(queue)
    assert(fd == 6 and netpack.tostring(msg, size) == "abc")
    fd, msg, size = netpack.pop(queue)
    assert(fd == 6 and msg == nil and size == "frame of 256 bytes announced, limit 3")
  )");
}

TEST_F(NetpackTest, NewChecksItsArguments) {
  run(R"(
    netpack.new() netpack.new(2, 65535) netpack.new(4, 0xffffffff) netpack.new(4)
    raises("header of 2 or 4 bytes expected", netpack.new, 3)
    raises("limit out of range", netpack.new, 2, 65536)
    raises("limit out of range", netpack.new, 2, 0)
    raises("limit out of range", netpack.new, 4, 0x100000000)
    raises("frame_queue expected", netpack.pop, {})
    assert(netpack.pop(nil) == nil)
    netpack.clear(nil)
  )");
}

TEST_F(NetpackTest, PackPutsALengthBeforeTheData) {
  run(R"(
    local function packed(...)
      return netpack.tostring(netpack.pack(...))
    end
    assert(packed("") == "\0\0")
    assert(packed("hello") == "\0\5hello")
    assert(packed(12) == "\0\00212")
    assert(packed(("x"):rep(65535)) == "\xff\xff" .. ("x"):rep(65535))
    assert(packed("hello", nil, 4) == "\0\0\0\5hello")
    assert(packed(("x"):rep(65536), nil, 4) == "\0\1\0\0" .. ("x"):rep(65536))
    local inner, size = netpack.pack("hello")
    assert(packed(inner, size) == "\0\7\0\5hello")
    assert(packed(inner, 3) == "\0\3\0\5h")
    netpack.tostring(inner, size)
    raises("too long for a frame", netpack.pack, ("x"):rep(65536))
    raises("header of 2 or 4", netpack.pack, "x", nil, 8)
    raises("string expected", netpack.pack, {})
    raises("not negative", netpack.pack, queue or io.stdout, -1)
    raises("larger than the userdata", netpack.pack, io.stdout, 4096)
  )");
}

TEST_F(NetpackTest, ToStringOfNothingIsEmpty) {
  run(R"(
    assert(netpack.tostring(nil) == "")
    raises("userdata expected", netpack.tostring, io.stdout, 1)
    raises("userdata expected", netpack.tostring, "text", 1)
  )");
}

TEST_F(NetpackTest, FramesThatNobodyPopsAreFreed) {
  const std::string_view stream("\0\5whole\0\5again\0\7partial", 22);
  take_data(5, stream);
  run("netpack.clear(queue) assert(netpack.pop(queue) == nil)");
  take_data(5, stream);
  run("queue = nil collectgarbage()");
  take_data(5, stream);  // Left to the end of the VM.
}

}  // namespace
}  // namespace skysock::lua
