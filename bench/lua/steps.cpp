#include "bench/lua/steps.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "bench/harness.hpp"
#include "bench/lua/state.hpp"

namespace skysock::bench {
namespace {

constexpr std::int64_t kBatch = 64;

void step(LuaNode& node, Steps& steps, std::int64_t count) {
  for (std::int64_t at = 0; at < count; ++at) node.step(steps.source.next());
}

load::Outcome<void> expect(LuaNode& node, ServiceHandle service, const std::string& question,
                           const std::string& expected) {
  const auto answer = node.ask(service, question);
  if (!answer) return std::unexpected(answer.error());
  if (*answer == expected) return {};
  return std::unexpected(
      fmt::format("{}: the service says '{}', expected '{}'", question, *answer, expected));
}

load::Outcome<void> check(LuaNode& node, Steps& steps) {
  if (auto looks = node.ask(steps.service, "look"); !looks) return std::unexpected(looks.error());
  std::string expected;
  for (std::int64_t at = 0; at < kBatch; ++at) {
    step(node, steps, 1);
    expected += steps.line_of(steps.source);
  }
  return expect(node, steps.service, "lines", expected);
}

/// What the VM allocates per message.
load::Outcome<double> measure_garbage(LuaNode& node, Steps& steps, std::int64_t messages) {
  const auto kept = node.ask(steps.service, "keep_garbage");
  if (!kept) return std::unexpected(kept.error());
  step(node, steps, messages);
  const auto made = node.ask(steps.service, "garbage_made");
  if (!made) return std::unexpected(made.error());
  // The question makes some, too, but less than a byte per message.
  return std::floor(std::stod(*made) / static_cast<double>(messages));
}

}  // namespace

void run_steps(benchmark::State& state, LuaNode& node, Steps& steps) {
  constexpr std::int64_t kGarbageMessages = 2'048;
  if (const auto checked = check(node, steps); !checked) return fail(state, checked.error());
  const auto garbage = measure_garbage(node, steps, kGarbageMessages);
  if (!garbage) return fail(state, garbage.error());
  for (auto _ : state) step(node, steps, kBatch);
  const std::int64_t timed = kBatch * static_cast<std::int64_t>(state.iterations());
  const std::int64_t messages = kBatch + kGarbageMessages + timed;
  const auto counted =
      expect(node, steps.service, "counts", fmt::format("{} {}", messages, messages * steps.sum));
  if (!counted) return fail(state, counted.error());
  report_operations(state, timed, steps.bytes);
  state.counters["lua_bytes_per_operation"] = *garbage;
}

}  // namespace skysock::bench
