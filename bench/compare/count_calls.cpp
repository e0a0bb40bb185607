#include "bench/compare/count_calls.hpp"

#include <fmt/format.h>

#include <thread>

namespace skysock::bench::compare {
namespace {

/// Returns when the process has used no CPU time for a while: it has done what follows an answer.
void wait_until_idle(const ServerProcess& server) {
  constexpr std::chrono::milliseconds kQuiet{20};
  constexpr int kPatience = 250;  // 5 s: a server that polls is never idle.
  auto before = server.cpu_time();
  for (int look = 0; look < kPatience; ++look) {
    std::this_thread::sleep_for(kQuiet);
    const auto now = server.cpu_time();
    if (now == before) return;
    before = now;
  }
}

}  // namespace

std::expected<CountedCalls, CountFailure> count_calls(Lane& lane, std::uint64_t operations) {
  const auto failed = [](const std::string& text) {
    return std::unexpected(CountFailure{kFailed, text});
  };
  if (auto warm = lane.run(operations); !warm) return failed(warm.error());
  wait_until_idle(lane.server());
  auto strace = Strace::attach(lane.server().pid());
  if (!strace) return std::unexpected(CountFailure{kCannotRun, strace.error()});
  const auto done = lane.run(operations);
  wait_until_idle(lane.server());
  auto counts = strace->detach();
  if (!done) return failed(done.error());
  if (!counts) return failed(counts.error());
  if (counts->empty()) return failed(fmt::format("server {}: strace saw no call", lane.name()));
  return CountedCalls{lane.name(), std::move(*counts), *done};
}

}  // namespace skysock::bench::compare
