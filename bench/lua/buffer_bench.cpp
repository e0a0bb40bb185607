// What does a receive buffer cost Lua: push and pop by size, a pop that joins several blocks, a
// line in one block or over many, everything at once? The calls are those of skynet.socketdriver,
// made from Lua, in a VM of its own. Left out: the copy from the kernel (blocks are borrowed).

#include <algorithm>
#include <span>

#include "bench/harness.hpp"
#include "bench/lua/families.hpp"
#include "bench/lua/state.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/unpack.hpp"

namespace skysock::bench {
namespace {

/// The stream that receive(n) gives in pieces: as messages, whose blocks are borrowed.
struct Stream {
  std::string bytes;
  std::size_t at = 0;
  SocketMessage message{.type = SocketMessageType::data};

  // receive(n) -> payload of the next n bytes; from the start again when there are none left.
  static int receive(lua_State* L) {
    auto* stream = static_cast<Stream*>(lua_touserdata(L, lua_upvalueindex(1)));
    const auto count = static_cast<std::size_t>(luaL_checkinteger(L, 1));
    if (stream->at == stream->bytes.size()) stream->at = 0;
    const std::span all = std::as_writable_bytes(std::span(stream->bytes));
    luaL_argcheck(L, count > 0 && count <= all.size() - stream->at, 1, "not so many bytes left");
    const auto piece = all.subspan(stream->at, count);
    stream->at += count;
    // The message lives outside of this frame, which an error of Lua would skip.
    stream->message.data = Block::adopt(piece, nullptr, [](void*) {});
    lua::unpack_socket_message(L, std::move(stream->message));
    return 1;
  }
};

constexpr const char* kPushPop = R"(
  local push, pop, receive, count, bytes = driver.push, driver.pop, receive, count, bytes
  local buffer = driver.buffer()
  function batch(out)
    local total = 0
    for _ = 1, count do
      push(buffer, nil, receive(bytes))
      local data = pop(buffer, nil, bytes)
      total = total + #data
      if out then out[#out + 1] = data end
    end
    return total
  end
)";

// What is popped begins and ends inside of blocks: `bytes` are 3 blocks and a half.
constexpr const char* kPopAcross = R"(
  local push, pop, receive, count, bytes = driver.push, driver.pop, receive, count, bytes
  local buffer, block = driver.buffer(), bytes * 2 // 7
  function batch(out)
    local total = 0
    for _ = 1, count // 2 do
      for _ = 1, 7 do push(buffer, nil, receive(block)) end
      for _ = 1, 2 do
        local data = pop(buffer, nil, bytes)
        total = total + #data
        if out then out[#out + 1] = data end
      end
    end
    return total
  end
)";

// As a service does it: after every block it looks whether the line is there.
constexpr const char* kReadline = R"(
  local push, readline, receive, count = driver.push, driver.readline, receive, count
  local buffer, block, blocks = driver.buffer(), block, #expected // block
  function batch(out)
    local total = 0
    for _ = 1, blocks do
      push(buffer, nil, receive(block))
      local line = readline(buffer, true, "\n")
      while line do
        total = total + #line
        if out then out[#out + 1] = line .. "\n" end
        line = readline(buffer, true, "\n")
      end
    end
    return total
  end
)";

constexpr const char* kReadall = R"(
  local push, readall, receive, count, block = driver.push, driver.readall, receive, count, block
  local buffer, blocks = driver.buffer(), bytes // block
  function batch(out)
    local total = 0
    for _ = 1, count do
      for _ = 1, blocks do push(buffer, nil, receive(block)) end
      local data = readall(buffer)
      total = total + #data
      if out then out[#out + 1] = data end
    end
    return total
  end
)";

void run(benchmark::State& state, Stream& stream, std::int64_t block, const LuaBatch& batch) {
  LuaState lua;
  lua_newtable(lua.get());
  lua::add_buffer_functions(lua.get());
  lua.set_top("driver");
  lua.set("receive", Stream::receive, &stream);
  lua.set("expected", stream.bytes);
  lua.set("bytes", batch.bytes_per_operation);
  lua.set("block", block);
  run_batches(state, lua, batch);
}

/// Operations on `bytes` each, which `code` receives as it likes or in blocks of `block` bytes.
void BM_Bytes(benchmark::State& state, const char* code, std::int64_t block) {
  const std::int64_t bytes = state.range(0);
  const LuaBatch batch{.code = code, .bytes_per_operation = bytes};
  Stream stream{.bytes = pattern(static_cast<std::size_t>(batch.count * bytes))};
  run(state, stream, block, batch);
}

constexpr std::int64_t kLinesBytes = 65'536;  // So many in a batch, or one line.

/// Lines of `line` bytes, the separator included, in blocks of `block` bytes.
void BM_Lines(benchmark::State& state) {
  const std::int64_t line = state.range(0);
  const std::int64_t block = state.range(1);
  const LuaBatch batch{.code = kReadline,
                       .count = std::max(kLinesBytes / line, std::int64_t{1}),
                       .bytes_per_operation = line};
  Stream stream{.bytes = pattern(static_cast<std::size_t>(batch.count * line))};
  for (auto at = static_cast<std::size_t>(line) - 1; at < stream.bytes.size();
       at += static_cast<std::size_t>(line)) {
    stream.bytes[at] = '\n';
  }
  run(state, stream, block, batch);
}

}  // namespace

void register_lua_buffer() {
  constexpr std::int64_t kBlock = 1'024;
  benchmark::RegisterBenchmark("BM_LuaBuffer/push_pop", BM_Bytes, kPushPop, 0)
      ->ArgName("bytes")
      ->Arg(64)
      ->Arg(1'024)
      ->Arg(65'536);
  benchmark::RegisterBenchmark("BM_LuaBuffer/pop_across", BM_Bytes, kPopAcross, 0)
      ->ArgName("bytes")
      ->Arg(7 * kBlock / 2);
  benchmark::RegisterBenchmark("BM_LuaBuffer/readline", BM_Lines)
      ->ArgNames({"line", "block"})
      ->Args({64, 64})
      ->Args({64, 4'096})
      ->Args({4'096, 64})
      ->Args({262'144, 64});
  benchmark::RegisterBenchmark("BM_LuaBuffer/readall", BM_Bytes, kReadall, kBlock)
      ->ArgName("bytes")
      ->Arg(16 * kBlock);
  describe("micro: Lua", "BM_LuaBuffer",
           "what was received, from its block to a Lua string: by size, by line (the time per byte "
           "does not grow with the line), all");
}

}  // namespace skysock::bench
