#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/compare/scenario.hpp"
#include "bench/compare/strace.hpp"

namespace skysock::bench::compare {

/// The system calls of one server. Requires: operations > 0.
struct CountedCalls {
  std::string server;
  CallCounts calls;
  std::uint64_t operations = 0;

  [[nodiscard]] double per_operation(const std::string& name) const;
  [[nodiscard]] double all_per_operation() const;
};

/// System calls of several servers in one scenario.
struct CallTable {
  Scenario scenario;
  std::vector<CountedCalls> servers;
};

/// Calls per operation that `server` may make in a scenario, if it has a budget there. Only skysock
/// whose reactor thread runs the services itself has one.
std::optional<double> budget_of(const std::string& server, const std::string& scenario);

/// Whether `server` has a budget in any scenario.
bool has_budget(const std::string& server);

/// The servers of the table that are above their budgets.
std::vector<std::string> over_budget(const CallTable& table);

/// A table for people: a row per call, a column per server.
std::string call_text(const CallTable& table);

nlohmann::ordered_json call_json(const CallTable& table);

/// {"sendto": 1.0, ...} and their "total".
nlohmann::ordered_json calls_per_operation_json(const CountedCalls& counted);

}  // namespace skysock::bench::compare
