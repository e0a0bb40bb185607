// What does it cost to wake a coroutine that waits for data: from a message of the socket, through
// the service, to the next line behind socket.read? It runs on the thread of the benchmark; the
// socket is a real one, its messages are made here. `resume` is the floor: a bare lua_resume() with
// the same string. Left out: mailbox and scheduling (BM_ServiceMessage), the bytes (borrowed).

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "bench/harness.hpp"
#include "bench/load/socket.hpp"
#include "bench/lua/families.hpp"
#include "bench/lua/state.hpp"
#include "bench/lua/steps.hpp"

namespace skysock::bench {
namespace {

using load::Fd;

/// `size` bytes that a socket received; a line when they are to be.
MessageKind received(std::int64_t size, bool is_line) {
  std::string text = pattern(static_cast<std::size_t>(size));
  if (is_line) text.back() = '\n';
  return {.name = "data",
          .event = EventKind::data,
          .type = SocketMessageType::data,
          .ud = size,
          .text = text};
}

std::string whole_line(const MessageSource& source) { return source.bytes(); }
std::string data_and_line_break(const MessageSource& source) { return source.bytes() + "\n"; }

/// A service that reads in one of the ways of bench/lua/reading.lua.
void BM_Reader(benchmark::State& state, const std::string& way) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return fail(state, "socketpair: " + load::errno_text(errno));
  }
  const std::array<Fd, 2> ends = {Fd(pair[0]), Fd(pair[1])};  // They outlive the node.
  auto node = LuaNode::start();
  if (!node) return fail(state, node.error());
  const auto service = (*node)->launch_stepped("reading");
  if (!service) return fail(state, service.error());
  const std::int64_t size = state.range(0);
  const auto answer = (*node)->ask(*service, fmt::format("open {} {} {}", way, pair[0], size));
  if (!answer) return fail(state, answer.error());
  const bool is_line = way == "readline";
  Steps steps{.service = *service,
              .source = MessageSource(received(size, is_line), std::stoi(*answer)),
              .line_of = is_line ? whole_line : data_and_line_break,
              .sum = is_line ? size - 1 : size,
              .bytes = size};
  run_steps(state, **node, steps);
}

// Counts as bench/lua/counted.lua does.
constexpr const char* kBare = R"(
  local yield = coroutine.yield
  local messages, sum = 0, 0
  local function add(number)
    messages = messages + 1
    sum = sum + number
  end
  function read_bare()
    while true do
      local data = yield()
      add(#data)
      if lines then lines[#lines + 1] = data end
    end
  end
  function look() lines = {} return 0 end
  function compare()
    assert(#lines == messages and messages > 0, "not every string arrived")
    for _, line in ipairs(lines) do assert(line == expected, "another string arrived") end
    lines = nil
    return 0
  end
  function get_messages() return messages end
  function get_sum() return sum end
)";

/// Gives the coroutine `count` strings; whether it waited after each.
bool resume(lua_State* L, lua_State* coroutine, std::string_view text, std::int64_t count) {
  for (std::int64_t at = 0; at < count; ++at) {
    int yielded = 0;
    lua_pushlstring(coroutine, text.data(), text.size());
    if (lua_resume(coroutine, L, 1, &yielded) != LUA_YIELD || yielded != 0) return false;
  }
  return true;
}

load::Outcome<void> check_resume(const LuaState& lua, lua_State* coroutine, std::string_view text,
                                 std::int64_t count) {
  if (auto looks = lua.call("look"); !looks) return std::unexpected(looks.error());
  if (!resume(lua.get(), coroutine, text, count)) return std::unexpected("the coroutine ended");
  if (auto same = lua.call("compare"); !same) return std::unexpected(same.error());
  return {};
}

void BM_Resume(benchmark::State& state) {
  constexpr std::int64_t kBatch = 64;
  const std::int64_t size = state.range(0);
  const std::string text = pattern(static_cast<std::size_t>(size));
  LuaState lua;
  lua.set("expected", text);
  if (const auto ready = lua.run(kBare); !ready) return fail(state, ready.error());
  lua_State* coroutine = lua_newthread(lua.get());
  lua_getglobal(coroutine, "read_bare");
  int yielded = 0;
  lua_resume(coroutine, lua.get(), 0, &yielded);
  const auto checked = check_resume(lua, coroutine, text, kBatch);
  if (!checked) return fail(state, checked.error());
  const std::uint64_t allocated = lua.allocated();
  bool waits = true;
  for (auto _ : state) waits = waits && resume(lua.get(), coroutine, text, kBatch);
  const std::int64_t timed = kBatch * static_cast<std::int64_t>(state.iterations());
  state.counters["lua_bytes_per_operation"] =
      static_cast<double>(lua.allocated() - allocated) / static_cast<double>(timed);
  const std::int64_t wakes = kBatch + timed;
  if (!waits || lua.call("get_messages") != wakes || lua.call("get_sum") != wakes * size) {
    return fail(state, "strings were lost between resume and yield");
  }
  report_operations(state, timed, size);
}

}  // namespace

void register_lua_coroutine() {
  constexpr std::int64_t kSmall = 64;
  benchmark::RegisterBenchmark("BM_LuaWakeup/resume", BM_Resume)->ArgName("bytes")->Arg(kSmall);
  for (const std::string way : {"read", "read_exactly", "readline", "read_limited"}) {
    auto* row = benchmark::RegisterBenchmark(("BM_LuaWakeup/" + way).c_str(), BM_Reader, way);
    row->ArgName("bytes")->Arg(kSmall);
    if (way == "read") row->Arg(16'384);
  }
  describe("micro: Lua", "BM_LuaWakeup",
           "received data wakes the coroutine that reads; resume is a bare one, read_limited a "
           "socket with a limit");
}

}  // namespace skysock::bench
