// What does a call from one Lua service to another cost, until its answer is there? Both run on the
// reactor thread of a node without workers, and the caller times its own batches: no other thread
// is part of it. Left out: the hop to another thread that workers cost.

#include <fmt/format.h>

#include <cinttypes>
#include <cstdio>
#include <string>

#include "bench/harness.hpp"
#include "bench/lua/families.hpp"
#include "bench/lua/node.hpp"
#include "bench/lua/state.hpp"

namespace skysock::bench {
namespace {

constexpr std::int64_t kBatch = 2'000;

/// What a batch of calls gives in all; see bench/lua/calling.lua.
struct Call {
  const char* name;
  std::int64_t sum;
};
constexpr Call kAdd{.name = "add", .sum = kBatch * (kBatch + 1) / 2 + kBatch};
constexpr Call kList{.name = "list", .sum = kBatch * (100 + 100'000)};

/// Seconds that a batch took.
load::Outcome<double> call_batch(LuaNode& node, ServiceHandle caller, const Call& call) {
  const auto answer = node.ask(caller, fmt::format("call {} {}", call.name, kBatch));
  if (!answer) return std::unexpected(answer.error());
  std::int64_t ns = 0;
  std::int64_t sum = 0;
  if (std::sscanf(answer->c_str(), "%" SCNd64 " %" SCNd64, &ns, &sum) != 2 || ns <= 0 ||
      sum != call.sum) {
    return std::unexpected(fmt::format("{} calls of {} gave '{}', expected 'NANOSECONDS {}'",
                                       kBatch, call.name, *answer, call.sum));
  }
  return static_cast<double>(ns) * 1e-9;
}

void BM_LuaCall(benchmark::State& state, const Call& call) {
  auto node = LuaNode::start();
  if (!node) return fail(state, node.error());
  const auto caller = (*node)->launch("calling");
  if (!caller) return fail(state, caller.error());
  const auto looked = (*node)->ask(*caller, "look");
  if (looked != "ok") return fail(state, looked ? *looked : looked.error());
  load::Outcome<double> warm = 0;
  const auto garbage =
      (*node)->count_garbage(*caller, kBatch, [&] { warm = call_batch(**node, *caller, call); });
  if (!warm) return fail(state, warm.error());
  if (!garbage) return fail(state, garbage.error());
  for (auto _ : state) {
    const auto seconds = call_batch(**node, *caller, call);
    if (!seconds) {
      fail(state, seconds.error());
      break;
    }
    state.SetIterationTime(*seconds);
  }
  if (state.error_occurred()) return;
  report_operations(state, kBatch * static_cast<std::int64_t>(state.iterations()), 0);
  state.counters["lua_bytes_per_operation"] = *garbage;  // Of the caller.
}

}  // namespace

void register_lua_call() {
  for (const Call& call : {kAdd, kList}) {
    benchmark::RegisterBenchmark((std::string("BM_LuaCall/") + call.name).c_str(), BM_LuaCall, call)
        ->MeasureProcessCPUTime()
        ->UseManualTime();
  }
  describe("micro: Lua", "BM_LuaCall",
           "skynet.call and its answer, between two services on one thread: two integers, a list "
           "of 100 there and back");
}

}  // namespace skysock::bench
