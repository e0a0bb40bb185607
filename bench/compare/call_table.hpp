#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/compare/scenario.hpp"
#include "bench/compare/strace.hpp"

namespace skysock::bench::compare {

/// System calls of several servers in one scenario.
struct CallTable {
  Scenario scenario;
  std::uint64_t operations = 0;  ///< Of each server. Requires: > 0.
  std::vector<std::pair<std::string, CallCounts>> servers;
};

/// Calls per operation that `server` may make in a scenario, if it has a budget there. Only skysock
/// whose reactor thread runs the services itself has one.
std::optional<double> budget_of(const std::string& server, const std::string& scenario);

/// Whether `server` has a budget in any scenario.
bool has_budget(const std::string& server);

double calls_per_operation(const CallCounts& counts, std::uint64_t operations);

/// The servers of the table that are above their budgets.
std::vector<std::string> over_budget(const CallTable& table);

/// A table for people: a row per call, a column per server.
std::string call_text(const CallTable& table);

nlohmann::ordered_json call_json(const CallTable& table);

}  // namespace skysock::bench::compare
