#include "bench/compare/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace skysock::bench::compare {
namespace {

// Few enough for the shortest accept queue in use (skynet's is 32), enough to keep a server busy.
constexpr std::size_t kAcceptsInFlight = 16;

constexpr Scenario kScenarios[] = {
    {"echo_64x64B", LoadKind::echo, 64, 64, "message", "a small message, many at a time"},
    {"echo_64x16KiB", LoadKind::echo, 64, 16'384, "message", "a large message: copies"},
    {"echo_1000x64B", LoadKind::echo, 1'000, 64, "message", "more connections than one wait gives"},
    {"echo_10000x64B", LoadKind::echo, 10'000, 64, "message", "state that no longer fits a cache"},
    {"echo_1x64B", LoadKind::echo, 1, 64, "message", "latency: nothing to share a wake-up with"},
    {"echo_100x64B", LoadKind::echo, 100, 64, "message", "the scenario of the syscall budgets"},
    {"accept_echo1_close", LoadKind::accept, kAcceptsInFlight, 1, "connection",
     "connect, one byte each way, FIN by the client"},
    {"held_idle", LoadKind::idle, 10'000, 64, "second",
     "what 10,000 connections cost while they say nothing"},
};

std::string all_names() {
  std::string names;
  for (const Scenario& scenario : kScenarios) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", scenario.name);
  }
  return names;
}

}  // namespace

std::span<const Scenario> scenarios() { return kScenarios; }

load::Outcome<std::vector<Scenario>> choose_scenarios(const std::string& names) {
  if (names.empty()) return std::vector<Scenario>(std::begin(kScenarios), std::end(kScenarios));
  std::vector<Scenario> chosen;
  std::istringstream words(names);
  for (std::string name; std::getline(words, name, ',');) {
    const auto* found = std::ranges::find(kScenarios, name, &Scenario::name);
    if (found == std::end(kScenarios)) {
      return std::unexpected(fmt::format("scenario '{}': expected one of {}", name, all_names()));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

std::string scenario_help() {
  std::string text;
  for (const Scenario& scenario : kScenarios) {
    text += fmt::format("  {:<19} per {:<11} {}\n", scenario.name, scenario.operation,
                        scenario.question);
  }
  return text;
}

}  // namespace skysock::bench::compare
