#include "bench/lua/steps.hpp"

#include <fmt/format.h>

#include <utility>

#include "bench/harness.hpp"
#include "bench/lua/state.hpp"

namespace skysock::bench {
namespace {

constexpr std::int64_t kBatch = 64;

void step(LuaNode& node, Steps& steps, std::int64_t count) {
  for (std::int64_t at = 0; at < count; ++at) node.step(steps.source.next());
}

load::Outcome<void> check(LuaNode& node, Steps& steps) {
  if (auto looks = node.ask(steps.service, "look"); !looks) return std::unexpected(looks.error());
  std::string expected;
  for (std::int64_t at = 0; at < kBatch; ++at) {
    step(node, steps, 1);
    expected += steps.line_of(steps.source);
  }
  const auto lines = node.ask(steps.service, "lines");
  if (!lines) return std::unexpected(lines.error());
  return compare_texts(*lines, expected);
}

}  // namespace

void run_steps(benchmark::State& state, LuaNode& node, Steps& steps) {
  constexpr std::int64_t kGarbageMessages = 2'048;
  if (const auto checked = check(node, steps); !checked) return fail(state, checked.error());
  const auto garbage = node.count_garbage(steps.service, kGarbageMessages,
                                          [&] { step(node, steps, kGarbageMessages); });
  if (!garbage) return fail(state, garbage.error());
  for (auto _ : state) step(node, steps, kBatch);
  const std::int64_t timed = kBatch * static_cast<std::int64_t>(state.iterations());
  const std::int64_t messages = kBatch + kGarbageMessages + timed;
  const std::string expected = fmt::format("{} {}", messages, messages * steps.sum);
  const auto counts = node.ask(steps.service, "counts");
  if (!counts) return fail(state, counts.error());
  if (*counts != expected) {
    return fail(state, fmt::format("the service counts '{}', expected '{}'", *counts, expected));
  }
  report_operations(state, timed, steps.bytes);
  state.counters["lua_bytes_per_operation"] = *garbage;
}

}  // namespace skysock::bench
