// What does a frame cost a gate, from the bytes that a socket received to a frame in Lua: by size,
// many in one block, one over many blocks? netpack.filter and pop in a VM of its own. Left out: the
// message (its bytes are borrowed) and what is done with the frame.

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "bench/harness.hpp"
#include "bench/lua/families.hpp"
#include "bench/lua/state.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/netpack.hpp"

namespace skysock::bench {
namespace {

/// A stream of frames, in blocks as a socket receives them.
struct Blocks {
  std::string payloads;
  std::string stream;
  std::vector<SocketMessage> messages;
  std::size_t next = 0;

  // filter(queue | nil) -> what netpack.filter gives for the next block; the first follows the
  // last.
  static int filter(lua_State* L) {
    auto* blocks = static_cast<Blocks*>(lua_touserdata(L, lua_upvalueindex(1)));
    const SocketMessage& message = blocks->messages[blocks->next];
    blocks->next = (blocks->next + 1) % blocks->messages.size();
    return lua::filter_socket_message(L, message);
  }
};

constexpr std::int64_t kFrames = 64;

/// kFrames frames of `frame` bytes, cut every `block` bytes of the stream.
Blocks make_blocks(std::size_t frame, std::size_t block) {
  Blocks blocks;
  blocks.payloads = pattern(static_cast<std::size_t>(kFrames) * frame);
  for (std::size_t at = 0; at < blocks.payloads.size(); at += frame) {
    blocks.stream += static_cast<char>(frame >> 8U);
    blocks.stream += static_cast<char>(frame & 0xffU);
    blocks.stream += blocks.payloads.substr(at, frame);
  }
  const std::span bytes = std::as_writable_bytes(std::span(blocks.stream));
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    const auto piece = bytes.subspan(at, std::min(block, bytes.size() - at));
    blocks.messages.push_back({.type = SocketMessageType::data,
                               .id = 1,
                               .ud = static_cast<std::int64_t>(piece.size()),
                               .data = Block::adopt(piece, nullptr, [](void*) {})});
  }
  return blocks;
}

constexpr const char* kFilter = R"(
  local filter, pop, drop, blocks = filter, netpack.pop, driver.drop, blocks
  local queue
  local function take(memory, size, out)
    if out then
      out[#out + 1] = netpack.tostring(memory, size)
    else
      drop(memory, size)
    end
    return size
  end
  function batch(out)
    local total = 0
    for _ = 1, blocks do
      local kind, fd, memory, size
      queue, kind, fd, memory, size = filter(queue)
      if kind == "data" then
        total = total + take(memory, size, out)
      elseif kind == "more" then
        for fd, memory, size in pop, queue do
          total = total + take(memory, size, out)
        end
      end
    end
    return total
  end
)";

/// `frame` bytes of payload, in blocks of `block` bytes; 0: each frame is a block.
void BM_LuaNetpack(benchmark::State& state, std::int64_t frame, std::int64_t block) {
  constexpr std::int64_t kHeaderBytes = 2;
  if (block == 0) block = frame + kHeaderBytes;
  Blocks blocks = make_blocks(static_cast<std::size_t>(frame), static_cast<std::size_t>(block));
  LuaState lua;
  lua_newtable(lua.get());
  lua::add_buffer_functions(lua.get());
  lua.set_top("driver");
  lua::open_netpack(lua.get());
  lua.set_top("netpack");
  lua.set("filter", Blocks::filter, &blocks);
  lua.set("blocks", static_cast<lua_Integer>(blocks.messages.size()));
  lua.set("expected", blocks.payloads);
  run_batches(state, lua, {.code = kFilter, .count = kFrames, .bytes_per_operation = frame});
}

void add(const std::string& cut, std::int64_t frame, std::int64_t block) {
  const std::string name = "BM_LuaNetpack/" + cut + "/bytes:" + std::to_string(frame);
  benchmark::RegisterBenchmark(name.c_str(), BM_LuaNetpack, frame, block);
}

}  // namespace

void register_lua_netpack() {
  constexpr std::int64_t kLargest = 65'535;
  for (const std::int64_t frame :
       {std::int64_t{16}, std::int64_t{64}, std::int64_t{1'024}, std::int64_t{16'384}, kLargest}) {
    add("one_per_block", frame, 0);
  }
  constexpr std::int64_t kBlock = 4'096;
  add("many_per_block", 64, kBlock);
  add("over_blocks", kLargest, kBlock);
  describe("micro: Lua", "BM_LuaNetpack",
           "a frame, from what was received to memory in Lua: by size, many in a block of 4 KiB, "
           "one over 16 of them");
}

}  // namespace skysock::bench
