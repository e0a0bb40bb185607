// What do values cost that go from one service to another: packed, and unpacked? A small call, a
// list of 100 integers, nested tables, strings. In a VM of its own. Left out: the message that
// carries the bytes (BM_LuaCall).

#include <cstdint>
#include <string>
#include <vector>

#include "bench/harness.hpp"
#include "bench/lua/families.hpp"
#include "bench/lua/state.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/seri.hpp"

namespace skysock::bench {
namespace {

/// What is packed: a list of Lua expressions, of which the first has a length. `size` is a global.
struct Values {
  const char* name;
  const char* code;
  std::vector<std::int64_t> sizes;  ///< Of strings; empty: one row.
};

const std::vector<Values>& all_values() {
  static const std::vector<Values> values = {
      {"call", R"({"set", 1001, "user:42:name", true, 2.5})", {}},
      {"list", "{list(100, function(i) return i * 1000 end)}", {}},
      {"nested",
       R"({list(8, function(i)
            return {id = i, name = "item " .. i, price = i / 4, tags = {"new", "sale"},
                    owner = {id = i, ok = true}}
          end)})",
       {}},
      {"string", R"({("0123456789abcdef"):rep(size // 16)})", {16, 1'024, 65'536}}};
  return values;
}

// Global `values` is a list of up to 5. The loops have them as locals, as the arguments of a call
// are; texts_of() gives the same text for the same values, whatever the order of keys.
constexpr const char* kPrelude = R"(
  local function list(count, f)
    local t = {}
    for i = 1, count do t[i] = f(i) end
    return t
  end
  values = load("local list, size = ... return " .. code)(list, size)

  local function text_of(value)
    if type(value) ~= "table" then return ("%q"):format(value) end
    local parts = {}
    for k, v in pairs(value) do parts[#parts + 1] = text_of(k) .. "=" .. text_of(v) end
    table.sort(parts)
    return "{" .. table.concat(parts, ",") .. "}"
  end
  function texts_of(...)
    return select("#", ...) .. text_of {...} .. "\n"
  end
  expected = texts_of(table.unpack(values)):rep(count)

  function make_batch(text)
    local names = ("a, b, c, d, e"):sub(1, 3 * #values - 2)
    return assert(load((text:gsub("VALUES", names))))(table.unpack(values))
  end
  function packed_bytes()
    return #seri.packstring(table.unpack(values))
  end
)";

constexpr const char* kPack = R"(
  batch = make_batch [[
    local VALUES = ...
    local pack, unpack, drop, texts_of, count = seri.pack, seri.unpack, driver.drop, texts_of, count
    return function(out)
      local total = 0
      for _ = 1, count do
        local memory, size = pack(VALUES)
        total = total + size
        if out then out[#out + 1] = texts_of(unpack(memory, size)) end
        drop(memory, size)
      end
      return total
    end
  ]]
)";

constexpr const char* kUnpack = R"(
  batch = make_batch [[
    local unpack, texts_of, count = seri.unpack, texts_of, count
    local packed = seri.packstring(...)
    return function(out)
      local total = 0
      for _ = 1, count do
        local VALUES = unpack(packed)
        total = total + #a
        if out then out[#out + 1] = texts_of(VALUES) end
      end
      return total
    end
  ]]
)";

void BM_LuaSeri(benchmark::State& state, const char* code, const char* values, std::int64_t size) {
  LuaState lua;
  lua_newtable(lua.get());
  lua::add_buffer_functions(lua.get());
  lua.set_top("driver");
  lua_newtable(lua.get());
  lua::add_seri_functions(lua.get());
  lua.set_top("seri");
  LuaBatch batch{.code = code};
  lua.set("count", batch.count);
  lua.set("code", values);
  lua.set("size", size);
  if (const auto ready = lua.run(kPrelude); !ready) return fail(state, ready.error());
  const auto bytes = lua.call("packed_bytes");
  if (!bytes) return fail(state, bytes.error());
  batch.bytes_per_operation = *bytes;
  run_batches(state, lua, batch);
}

void add(const std::string& verb, const char* code) {
  for (const Values& values : all_values()) {
    const std::string name = "BM_LuaSeri/" + verb + "/" + values.name;
    if (values.sizes.empty()) {
      benchmark::RegisterBenchmark(name.c_str(), BM_LuaSeri, code, values.code, 0);
    }
    for (const std::int64_t size : values.sizes) {
      benchmark::RegisterBenchmark((name + "/bytes:" + std::to_string(size)).c_str(), BM_LuaSeri,
                                   code, values.code, size);
    }
  }
}

}  // namespace

void register_lua_seri() {
  add("pack", kPack);
  add("unpack", kUnpack);
  describe("micro: Lua", "BM_LuaSeri",
           "Lua values to the bytes of a message, and back: a small call, a list of 100 integers, "
           "tables in tables, a string");
}

}  // namespace skysock::bench
