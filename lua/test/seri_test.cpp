// Do values come out of unpack as they went into pack, and is everything else refused: types that
// cannot be packed, nesting without end, bytes that pack never writes? Leaks are found by ASan.

#include "lua/bindings/seri.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <lua.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lua/test/lua_memory.hpp"

namespace skysock::lua {
namespace {

constexpr const char* kPrelude = R"(
  function equal(a, b, depth)
    if type(a) ~= "table" or type(b) ~= "table" then
      return math.type(a) == math.type(b) and (a == b or a ~= a and b ~= b)
    end
    for k, v in next, a do
      if not equal(v, rawget(b, k)) then return false end
    end
    for k in next, b do
      if rawget(a, k) == nil then return false end
    end
    return true
  end
  function round(...)
    local sent, got = table.pack(...), table.pack(seri.unpack(seri.packstring(...)))
    assert(sent.n == got.n, "number of values")
    assert(equal(sent, got), "values differ")
    return table.unpack(got, 1, got.n)
  end
  function nested(depth)
    local t = {}
    for _ = 2, depth do t = {t} end
    return t
  end
  function raises(pattern, f, ...)
    local ok, err = pcall(f, ...)
    assert(not ok, "no error raised")
    assert(err:find(pattern), "other error raised: " .. err)
  end
)";

class SeriTest : public testing::Test {
 protected:
  SeriTest() : lua_(lua_newstate(LuaMemory::allocate, &memory_)) {
    luaL_openlibs(lua_);
    lua_newtable(lua_);
    add_seri_functions(lua_);
    lua_setglobal(lua_, "seri");
    run(kPrelude);
  }
  ~SeriTest() override { lua_close(lua_); }

  // Runs `code`; a Lua error fails the test with its text.
  void run(const std::string& code) {
    EXPECT_EQ(luaL_dostring(lua_, code.c_str()), LUA_OK) << lua_tostring(lua_, -1);
    lua_settop(lua_, 0);
  }

  // Unpacks a copy of exactly these bytes; returns the error, "" for none.
  std::string unpack_error(const std::vector<std::uint8_t>& bytes) {
    lua_getglobal(lua_, "seri");
    lua_getfield(lua_, -1, "unpack");
    std::vector<std::uint8_t> exact(bytes);
    exact.shrink_to_fit();
    lua_pushlightuserdata(lua_, exact.data());
    lua_pushinteger(lua_, static_cast<lua_Integer>(exact.size()));
    const int status = lua_pcall(lua_, 2, LUA_MULTRET, 0);
    std::string error = status == LUA_OK ? "" : lua_tostring(lua_, -1);
    lua_settop(lua_, 0);
    return error;
  }

  LuaMemory memory_;
  lua_State* lua_;
};

TEST_F(SeriTest, ScalarsComeOutWithTheirType) {
  run(R"(
    assert(select("#", round()) == 0)
    round(nil)
    round(nil, false, true, nil)
    round(0.0, 1.0, -1.5, 1e308, 5e-324, math.huge, -math.huge, 0/0)
    assert(1 / round(-0.0) == -math.huge)
    assert(math.type(round(3)) == "integer" and math.type(round(3.0)) == "float")
  )");
}

TEST_F(SeriTest, IntegersOfEveryWidth) {
  run(R"(
    local sizes = {}
    for bits = 0, 63 do
      for off = -2, 2 do
        round((1 << bits) + off, -(1 << bits) + off)
      end
    end
    for value, size in pairs {
      [63] = 1, [64] = 2, [-1] = 2, [127] = 2, [-128] = 2, [128] = 3, [-129] = 3, [32767] = 3,
      [32768] = 5, [0x7fffffff] = 5, [0x80000000] = 9,
    } do
      assert(#seri.packstring(value) == size, value)
    end
  )");
}

TEST_F(SeriTest, StringsOfEveryLengthField) {
  run(R"(
    for _, size in ipairs {0, 1, 63, 64, 255, 256, 65535, 65536, 3000000} do
      round(("a\0b"):rep(size // 3 + 1):sub(1, size))
    end
  )");
}

TEST_F(SeriTest, TablesWithArraysHolesAndPairs) {
  run(R"(
    round({}, {1, 2, 3}, {a = 1, [2.5] = true, [false] = "f", [-1] = 0})
    round({1, nil, 3, nil, nil, 6, x = {y = {z = 1}}})
    for _, size in ipairs {63, 64, 255, 256, 65536} do
      local t = {name = size}
      for i = 1, size do t[i] = i * 3 end
      round(t)
    end
    local sparse = {}
    for i = 1, 40 do sparse[1 << i] = i end
    round(sparse, {[math.maxinteger] = 1, [math.mininteger] = 2})
  )");
}

TEST_F(SeriTest, LightUserdataComesOutAsItWas) {
  lua_pushlightuserdata(lua_, this);
  lua_setglobal(lua_, "light");
  run("assert(round(light, {light}) == light)");
}

TEST_F(SeriTest, NestingHasALimitAndACycleMeetsIt) {
  run(R"(
    round(nested(32))
    raises("nested deeper than 32", seri.packstring, nested(33))
    local cycle = {}
    cycle.self = cycle
    raises("nested deeper than 32", seri.pack, cycle)
  )");
  // 32 tables in each other, then one more: the same limit for bytes.
  std::vector<std::uint8_t> bytes;
  for (int depth = 0; depth < kSeriDepthMax; ++depth) bytes.push_back(0xc1);
  for (int depth = 0; depth <= kSeriDepthMax; ++depth) bytes.push_back(0);
  EXPECT_EQ(unpack_error(bytes), "");
  bytes.insert(bytes.begin(), 0xc1);
  bytes.push_back(0);
  EXPECT_EQ(unpack_error(bytes), "invalid packed data: tables are nested too deep");
}

TEST_F(SeriTest, OtherTypesRaiseTheirName) {
  run(R"(
    local long = ("x"):rep(5000)
    for _, pack in ipairs {seri.pack, seri.packstring} do
      raises("cannot pack a value of type function", pack, print)
      raises("cannot pack a value of type thread", pack, long, {coroutine.create(print)})
      raises("cannot pack a value of type userdata", pack, long, {[io.stdout] = 1})
    end
  )");
}

TEST_F(SeriTest, PairsOfAMetatableArePackedInsteadOfTheTable) {
  run(R"(
    local proxy = setmetatable({hidden = 1}, {__pairs = function(t)
      local real = {10, 20, x = "y"}
      return function(state, key)
        assert(state == "state")
        return next(real, key)
      end, "state", nil
    end})
    local got = seri.unpack(seri.packstring({proxy}))
    assert(equal(got, {{10, 20, x = "y"}}))
    assert(getmetatable(seri.unpack(seri.packstring(setmetatable({}, {})))) == nil)
  )");
}

TEST_F(SeriTest, PairsMayPackAndMayRaise) {
  run(R"(
    local long = ("x"):rep(5000)
    local inner
    local packs = setmetatable({}, {__pairs = function()
      inner = seri.packstring(long, 1)
      return next, {a = 1}
    end})
    local first, got, last = seri.unpack(seri.packstring(long, packs, "last"))
    assert(first == long and got.a == 1 and last == "last" and inner == seri.packstring(long, 1))
    local fails = setmetatable({}, {__pairs = function() error "no pairs" end})
    raises("no pairs", seri.pack, long, fails)
  )");
}

TEST_F(SeriTest, PackGivesMemoryWithTheSameBytes) {
  for (const char* values : {"", "1, 'two'", "('x'):rep(1023)", "('x'):rep(100000), {1, 2}"}) {
    run("packed = seri.packstring(" + std::string(values) + ")");
    ASSERT_EQ(luaL_dostring(lua_, ("return seri.pack(" + std::string(values) + ")").c_str()),
              LUA_OK);
    void* memory = lua_touserdata(lua_, 1);
    ASSERT_NE(memory, nullptr);
    const auto size = static_cast<std::size_t>(lua_tointeger(lua_, 2));
    lua_getglobal(lua_, "packed");
    EXPECT_TRUE(std::string_view(lua_tostring(lua_, -1), lua_rawlen(lua_, -1)) ==
                std::string_view(static_cast<char*>(memory), size));
    lua_settop(lua_, 2);
    lua_setglobal(lua_, "size");
    lua_setglobal(lua_, "memory");
    run("assert(equal({seri.unpack(memory, size)}, {seri.unpack(packed)}))");
    std::free(memory);
  }
}

TEST_F(SeriTest, UnpackOfNothingGivesNothing) {
  run(R"(
    assert(select("#", seri.unpack()) == 0 and select("#", seri.unpack(nil, 7)) == 0)
    assert(select("#", seri.unpack("")) == 0)
    raises("userdata expected", seri.unpack, {})
    raises("userdata expected", seri.unpack, io.stdout, 1)
  )");
  lua_pushlightuserdata(lua_, nullptr);
  lua_setglobal(lua_, "null");
  run(R"(
    assert(select("#", seri.unpack(null, 0)) == 0)
    raises("null pointer", seri.unpack, null, 1)
    raises("not negative expected", seri.unpack, null, -1)
    raises("number expected", seri.unpack, null)
  )");
}

TEST_F(SeriTest, DataCutAnywhereIsRefusedOrWhole) {
  run(R"(
    local t = {1, 300, 2^40, 1 << 40, ("s"):rep(70), {a = {true, false}}, [9.5] = -1}
    local packed = seri.packstring(t)
    for size = 1, #packed - 1 do
      raises("invalid packed data", seri.unpack, packed:sub(1, size))
    end
    assert(equal(t, (seri.unpack(packed))))
  )");
}

TEST_F(SeriTest, UnknownTagsAreRefused) {
  for (unsigned tag = 0; tag < 0x40; ++tag) {
    const bool known = tag <= 0x04 || (tag >= 0x08 && tag <= 0x13);
    const std::string error = unpack_error({static_cast<std::uint8_t>(tag)});
    EXPECT_EQ(error.find("a type that does not exist") == std::string::npos, known) << tag;
  }
}

TEST_F(SeriTest, ATableKeyThatIsNaNIsRefused) {
  const std::string error = unpack_error({0xc0, 0x03, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0x01, 0x00});
  EXPECT_NE(error.find("NaN"), std::string::npos) << error;
}

TEST_F(SeriTest, AStringLongerThanTheDataIsRefused) {
  EXPECT_EQ(unpack_error({0x82, 'a'}), "invalid packed data: it ends early");
  EXPECT_EQ(unpack_error({0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'a'}),
            "invalid packed data: it ends early");
}

TEST_F(SeriTest, TablesDoNotGetMoreRoomThanTheirBytesJustify) {
  constexpr const char* kRefused =
      "invalid packed data: a table has more values than bytes are left";
  EXPECT_EQ(unpack_error({0xc1}), kRefused);
  EXPECT_EQ(unpack_error({0x13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}), kRefused);
  // Tables in each other, each with as many values as bytes are left after its own header.
  constexpr std::size_t kBytes = 100'000;
  std::vector<std::uint8_t> bytes(kBytes, 0);
  for (std::size_t at = 0, depth = 0; depth < kSeriDepthMax; ++depth) {
    const std::size_t count = kBytes - at - 6;
    bytes[at++] = 0x12;
    for (unsigned shift = 0; shift < 32; shift += 8) {
      bytes[at++] = static_cast<std::uint8_t>(count >> shift);
    }
  }
  memory_.most = memory_.bytes;
  const std::size_t before = memory_.bytes;
  EXPECT_EQ(unpack_error(bytes), kRefused);
  EXPECT_LE(memory_.most - before, 16 * kBytes + 10'000);
}

}  // namespace
}  // namespace skysock::lua
