// What does it cost Lua to be told what happened to a socket: the values of driver.unpack, by kind
// of message? In a VM of its own. Left out: the message itself (its bytes are borrowed) and what a
// service does around it (BM_LuaDispatch).

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "bench/harness.hpp"
#include "bench/lua/families.hpp"
#include "bench/lua/messages.hpp"
#include "bench/lua/state.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/unpack.hpp"

namespace skysock::bench {
namespace {

/// Where messages wait that no Lua error may skip.
struct Source {
  MessageSource messages;
  SocketMessage waiting{};

  // unpack() -> what driver.unpack gives for the next message.
  static int unpack(lua_State* L) {
    auto* source = static_cast<Source*>(lua_touserdata(L, lua_upvalueindex(1)));
    source->waiting = std::get<SocketMessage>(source->messages.next().payload);
    return lua::unpack_socket_message(L, std::move(source->waiting));
  }
};

constexpr const char* kUnpack = R"(
  local unpack, count = unpack, count
  function batch(out)
    local total = 0
    for _ = 1, count do
      local kind, id, ud, data, address = unpack()
      total = total + kind + id + ud
      if out then
        if type(data) == "userdata" then data = driver.text(data) end
        out[#out + 1] = ("%d %d %d %s %s\n"):format(kind, id, ud, data, address)
      end
    end
    return total
  end
)";

void BM_LuaUnpack(benchmark::State& state, const MessageKind& kind) {
  LuaState lua;
  lua_newtable(lua.get());
  lua::add_buffer_functions(lua.get());
  lua.set_top("driver");
  Source source{.messages = MessageSource(kind)};
  lua.set("unpack", Source::unpack, &source);
  const LuaBatch batch{.code = kUnpack};
  MessageSource same(kind);
  std::string expected;
  for (std::int64_t count = 0; count < batch.count; ++count) {
    same.next();
    expected += same.line();
  }
  lua.set("expected", expected);
  run_batches(state, lua, batch);
}

}  // namespace

void register_lua_unpack() {
  for (const MessageKind& kind : message_kinds()) {
    const std::string name = "BM_LuaUnpack/" + kind.name;
    benchmark::RegisterBenchmark(name.c_str(), BM_LuaUnpack, kind);
  }
  describe("micro: Lua", "BM_LuaUnpack",
           "the values that say what happened to a socket, by kind of message");
}

}  // namespace skysock::bench
