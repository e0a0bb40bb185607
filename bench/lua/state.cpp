#include "bench/lua/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "bench/harness.hpp"
#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock::bench {
namespace {

// The same batch that is timed, looked at.
constexpr const char* kCheck = R"(
  function check()
    local out = {}
    local result = batch(out)
    got = table.concat(out)
    return result
  end
  function forget()
    got, expected = nil, nil
    return collectgarbage()
  end
)";

load::Outcome<void> compare_globals(lua_State* L) {
  std::size_t got_size = 0;
  std::size_t expected_size = 0;
  lua_getglobal(L, "got");
  lua_getglobal(L, "expected");
  const char* got = lua_tolstring(L, -2, &got_size);
  const char* expected = lua_tolstring(L, -1, &expected_size);
  auto same = got == nullptr || expected == nullptr
                  ? std::unexpected("no text came out")
                  : compare_texts({got, got_size}, {expected, expected_size});
  lua_pop(L, 2);
  return same;
}

load::Outcome<lua_Integer> check(LuaState& lua, const LuaBatch& batch) {
  lua.set("count", batch.count);
  for (const char* code : {batch.code, kCheck}) {
    if (auto done = lua.run(code); !done) return std::unexpected(done.error());
  }
  auto result = lua.call("check");
  if (!result) return result;
  if (*result <= 0) return std::unexpected("nothing came out of the batch");
  if (auto same = compare_globals(lua.get()); !same) return std::unexpected(same.error());
  if (auto forgot = lua.call("forget"); !forgot) return forgot;
  return result;
}

}  // namespace

LuaState::LuaState() : lua_(lua_newstate(allocate, this)) {
  SKYSOCK_CHECK(lua_ != nullptr);
  luaL_openlibs(lua_);
}

LuaState::~LuaState() { lua_close(lua_); }

void* LuaState::allocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  if (new_size == 0) {
    std::free(block);
    return nullptr;
  }
  if (block == nullptr) old_size = 0;  // Then it says what kind of object is wanted.
  if (new_size > old_size) static_cast<LuaState*>(self)->allocated_ += new_size - old_size;
  return std::realloc(block, new_size);
}

void LuaState::set(const char* global, lua_Integer value) const {
  lua_pushinteger(lua_, value);
  set_top(global);
}

void LuaState::set(const char* global, std::string_view value) const {
  lua_pushlstring(lua_, value.data(), value.size());
  set_top(global);
}

void LuaState::set(const char* global, lua_CFunction function, void* object) const {
  lua_pushlightuserdata(lua_, object);
  lua_pushcclosure(lua_, function, 1);
  set_top(global);
}

load::Outcome<void> LuaState::run(const char* code) const {
  if (luaL_dostring(lua_, code) == LUA_OK) return {};
  std::string error = luaL_tolstring(lua_, -1, nullptr);
  lua_settop(lua_, 0);
  return std::unexpected(std::move(error));
}

load::Outcome<lua_Integer> LuaState::call(const char* function) const {
  lua_getglobal(lua_, function);
  const bool returned = lua_pcall(lua_, 0, 1, 0) == LUA_OK;
  int is_integer = 0;
  const lua_Integer value = lua_tointegerx(lua_, -1, &is_integer);
  if (returned && is_integer != 0) {
    lua_pop(lua_, 1);
    return value;
  }
  std::string text = luaL_tolstring(lua_, -1, nullptr);
  lua_pop(lua_, 2);
  if (!returned) return std::unexpected(std::move(text));
  return std::unexpected(fmt::format("{}() gives {}, expected an integer", function, text));
}

void run_batches(benchmark::State& state, LuaState& lua, const LuaBatch& batch) {
  const auto checked = check(lua, batch);
  if (!checked) return fail(state, checked.error());
  const std::uint64_t allocated = lua.allocated();
  for (auto _ : state) {
    const auto result = lua.call("batch");
    if (result == checked) continue;
    fail(state,
         result ? fmt::format("a batch gives {}, expected {}", *result, *checked) : result.error());
    break;
  }
  if (state.error_occurred()) return;
  const std::int64_t operations = batch.count * static_cast<std::int64_t>(state.iterations());
  report_operations(state, operations, batch.bytes_per_operation);
  state.counters["lua_bytes_per_operation"] =
      static_cast<double>(lua.allocated() - allocated) / static_cast<double>(operations);
}

void report_operations(benchmark::State& state, std::int64_t operations,
                       std::int64_t bytes_per_operation) {
  state.SetItemsProcessed(operations);
  if (bytes_per_operation > 0) state.SetBytesProcessed(operations * bytes_per_operation);
}

load::Outcome<void> compare_texts(std::string_view got, std::string_view expected) {
  if (got == expected) return {};
  const auto differs = std::ranges::mismatch(got, expected).in1 - got.begin();
  return std::unexpected(
      fmt::format("{} bytes came out, expected {}; the first difference is at {}", got.size(),
                  expected.size(), differs));
}

std::string pattern(std::size_t count) {
  Prng random(1);
  std::string text(count, '\0');
  for (char& byte : text) byte = static_cast<char>('!' + random.below('~' - '!' + 1));
  return text;
}

}  // namespace skysock::bench
