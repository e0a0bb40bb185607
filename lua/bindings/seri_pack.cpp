// pack and packstring of seri.hpp. Nothing here has a destructor: a Lua error may leave it
// anywhere.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "lua/bindings/seri.hpp"
#include "lua/bindings/seri_format.hpp"
#include "lua/bindings/userdata.hpp"

namespace skysock::lua {
namespace {

constexpr const char* kGrownType = "skysock.packed";
constexpr std::size_t kSmallBytes = 1'024;

/// Memory of a large message while it is being packed: an error leaves it to the collector.
struct Grown {
  std::byte* memory = nullptr;
};

int grown_gc(lua_State* L) {
  auto* grown = static_cast<Grown*>(luaL_checkudata(L, 1, kGrownType));
  std::free(std::exchange(grown->memory, nullptr));
  return 0;
}

/// The bytes packed so far: in `small`, or in a Grown at stack index `place`.
struct Output {
  lua_State* L;
  int place;
  Grown* grown;
  std::byte* data;
  std::size_t used;
  std::size_t room;
  std::array<std::byte, kSmallBytes> small;
};
static_assert(std::is_trivially_destructible_v<Output>);

/// Starts `out` above the arguments on the stack.
void begin(Output& out, lua_State* L) {
  out.L = L;
  lua_pushnil(L);
  out.place = lua_gettop(L);
  out.grown = nullptr;
  out.data = out.small.data();
  out.used = 0;
  out.room = kSmallBytes;
}

void grow(Output& out, std::size_t size) {
  const std::size_t room = std::max(2 * out.room, out.used + size);
  if (out.grown == nullptr) {
    Grown* grown = new_userdata<Grown>(out.L, kGrownType, grown_gc);
    lua_replace(out.L, out.place);
    out.grown = grown;
  }
  void* memory = std::realloc(out.grown->memory, room);
  if (memory == nullptr) luaL_error(out.L, "not enough memory to pack");
  out.grown->memory = static_cast<std::byte*>(memory);
  if (out.data == out.small.data()) std::memcpy(memory, out.data, out.used);
  out.data = out.grown->memory;
  out.room = room;
}

void put_bytes(Output& out, const void* bytes, std::size_t size) {
  if (out.room - out.used < size) grow(out, size);
  std::memcpy(out.data + out.used, bytes, size);
  out.used += size;
}

void put_tag(Output& out, unsigned tag) {
  const auto byte = static_cast<std::uint8_t>(tag);
  put_bytes(out, &byte, 1);
}

/// `first` + width, then the low bytes of `value`.
void put_number(Output& out, unsigned first, unsigned width, std::uint64_t value) {
  static_assert(std::endian::native == std::endian::little);
  put_tag(out, first + width);
  put_bytes(out, &value, std::size_t{1} << width);
}

void put_integer(Output& out, lua_Integer value) {
  const auto bits = static_cast<std::uint64_t>(value);
  if (bits <= seri::kSmallMax)
    return put_tag(out, seri::kSmallInteger + static_cast<unsigned>(bits));
  const std::uint64_t magnitude = value < 0 ? ~bits : bits;
  unsigned width = 0;
  while (width + 1 < seri::kWidths && magnitude >> ((8U << width) - 1) != 0) ++width;
  put_number(out, seri::kInteger, width, bits);
}

/// A length or count: within the tag `small`, or in the fewest bytes after `first` + width.
void put_size(Output& out, unsigned small, unsigned first, std::uint64_t size) {
  if (size <= seri::kSmallMax) return put_tag(out, small + static_cast<unsigned>(size));
  unsigned width = 0;
  while (width + 1 < seri::kWidths && size >> (8U << width) != 0) ++width;
  put_number(out, first, width, size);
}

void pack_value(Output& out, int index, int depth);

/// The pairs that the __pairs on top of the stack gives; takes it away.
void pack_custom_pairs(Output& out, int index, int depth) {
  lua_State* L = out.L;
  put_tag(out, seri::kSmallTable);
  lua_pushvalue(L, index);
  lua_call(L, 1, 3);
  const int next = lua_gettop(L) - 2;
  for (;;) {
    lua_pushvalue(L, next);
    lua_pushvalue(L, next + 1);
    lua_rotate(L, next + 2, 2);  // next, state, next, state, control
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2)) break;
    pack_value(out, next + 2, depth);
    pack_value(out, next + 3, depth);
    lua_pop(L, 1);  // The key is the next control value.
  }
  lua_settop(L, next - 1);
}

bool is_in_array(lua_State* L, int index, lua_Unsigned count) {
  if (lua_isinteger(L, index) == 0) return false;
  const lua_Integer key = lua_tointeger(L, index);
  return key >= 1 && static_cast<lua_Unsigned>(key) <= count;
}

void pack_plain_pairs(Output& out, int index, int depth) {
  lua_State* L = out.L;
  const lua_Unsigned count = lua_rawlen(L, index);
  put_size(out, seri::kSmallTable, seri::kTable, count);
  for (lua_Unsigned at = 1; at <= count; ++at) {
    lua_rawgeti(L, index, static_cast<lua_Integer>(at));
    pack_value(out, lua_gettop(L), depth);
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    const int value = lua_gettop(L);
    if (!is_in_array(L, value - 1, count)) {
      pack_value(out, value - 1, depth);
      pack_value(out, value, depth);
    }
    lua_pop(L, 1);
  }
}

void pack_table(Output& out, int index, int depth) {
  lua_State* L = out.L;
  if (depth > kSeriDepthMax) {
    luaL_error(L, "cannot pack tables nested deeper than %d (is there a cycle?)", kSeriDepthMax);
  }
  luaL_checkstack(L, LUA_MINSTACK, "packing a table");
  if (luaL_getmetafield(L, index, "__pairs") != LUA_TNIL) {
    pack_custom_pairs(out, index, depth);
  } else {
    pack_plain_pairs(out, index, depth);
  }
  put_tag(out, seri::kNil);
}

void pack_float(Output& out, lua_Number value) {
  static_assert(sizeof value == 8 && std::numeric_limits<lua_Number>::is_iec559);
  put_tag(out, seri::kFloat);
  put_bytes(out, &value, sizeof value);
}

void pack_string(Output& out, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(out.L, index, &size);
  put_size(out, seri::kSmallString, seri::kString, size);
  put_bytes(out, text, size);
}

void pack_light_userdata(Output& out, int index) {
  void* pointer = lua_touserdata(out.L, index);
  static_assert(sizeof pointer == 8);
  put_tag(out, seri::kLightUserdata);
  put_bytes(out, &pointer, sizeof pointer);
}

/// Appends the value at `index`, which is not relative to the top. `depth` tables are around it.
void pack_value(Output& out, int index, int depth) {
  lua_State* L = out.L;
  switch (lua_type(L, index)) {
    case LUA_TNIL:
      return put_tag(out, seri::kNil);
    case LUA_TBOOLEAN:
      return put_tag(out, lua_toboolean(L, index) != 0 ? seri::kTrue : seri::kFalse);
    case LUA_TNUMBER:
      if (lua_isinteger(L, index) != 0) return put_integer(out, lua_tointeger(L, index));
      return pack_float(out, lua_tonumber(L, index));
    case LUA_TSTRING:
      return pack_string(out, index);
    case LUA_TLIGHTUSERDATA:
      return pack_light_userdata(out, index);
    case LUA_TTABLE:
      return pack_table(out, index, depth + 1);
    default:
      luaL_error(L, "cannot pack a value of type %s", luaL_typename(L, index));
  }
}

void pack_arguments(Output& out, lua_State* L) {
  begin(out, L);
  for (int index = 1; index < out.place; ++index) pack_value(out, index, 0);
}

/// The memory of `out`, which belongs to the caller from now on; nullptr: there is none.
void* take_memory(Output& out) noexcept {
  if (out.grown != nullptr) return std::exchange(out.grown->memory, nullptr);
  void* memory = std::malloc(std::max<std::size_t>(out.used, 1));
  if (memory != nullptr) std::memcpy(memory, out.data, out.used);
  return memory;
}

}  // namespace

namespace detail {

int seri_pack(lua_State* L) {
  Output out;
  pack_arguments(out, L);
  lua_settop(L, out.place);
  luaL_checkstack(L, 2, "packed values");
  void* memory = take_memory(out);  // Nothing raises from here on.
  if (memory == nullptr) return luaL_error(L, "not enough memory to pack");
  lua_pushlightuserdata(L, memory);
  lua_pushinteger(L, static_cast<lua_Integer>(out.used));
  return 2;
}

int seri_pack_string(lua_State* L) {
  Output out;
  pack_arguments(out, L);
  lua_pushlstring(L, reinterpret_cast<const char*>(out.data), out.used);
  return 1;
}

}  // namespace detail
}  // namespace skysock::lua
