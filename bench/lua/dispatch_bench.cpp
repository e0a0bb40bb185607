// What does a service in Lua pay for a socket message before its own code sees it: the way through
// the service, skynet's dispatch and driver.unpack, by kind of message? It runs on the thread of
// the benchmark. Left out: mailbox and scheduling (BM_ServiceMessage), the bytes (borrowed).

#include <string>

#include "bench/harness.hpp"
#include "bench/lua/families.hpp"
#include "bench/lua/steps.hpp"

namespace skysock::bench {
namespace {

void BM_LuaDispatch(benchmark::State& state, const MessageKind& kind) {
  auto node = LuaNode::start();
  if (!node) return fail(state, node.error());
  const auto service = (*node)->launch_stepped("dispatch");
  if (!service) return fail(state, service.error());
  Steps steps{.service = *service,
              .source = MessageSource(kind),
              .line_of = [](const MessageSource& source) { return source.line(); }};
  steps.sum = steps.source.sum();
  run_steps(state, **node, steps);
}

}  // namespace

void register_lua_dispatch() {
  for (const MessageKind& kind : message_kinds()) {
    const std::string name = "BM_LuaDispatch/" + kind.name;
    benchmark::RegisterBenchmark(name.c_str(), BM_LuaDispatch, kind);
  }
  describe("micro: Lua", "BM_LuaDispatch",
           "a socket message, from the service to its own dispatch function, by kind");
}

}  // namespace skysock::bench
