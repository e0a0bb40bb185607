#include "bench/compare/call_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/compare/peers.hpp"

namespace skysock::bench::compare {
namespace {

struct Budget {
  const char* server;
  const char* scenario;
  double calls_per_operation;
};

// A plain server needs 9.5, 2.01 and 3.0 on epoll, 3.9, 0.44 and 2.0 on io_uring; the rest is what
// the chain of reactor, service and socket server may add.
constexpr Budget kBudgets[] = {
    {kWorkers0, "accept_echo1_close", 10.0}, {kWorkers0, "echo_100x64B", 2.6},
    {kWorkers0, "echo_1x64B", 5.0},          {kSkysockUring, "accept_echo1_close", 4.9},
    {kSkysockUring, "echo_100x64B", 1.0},    {kSkysockUring, "echo_1x64B", 4.0}};

// Below this a row is noise of attaching and detaching.
constexpr double kShown = 0.0005;

/// Every call any server made, the most frequent (in one server) first.
std::vector<std::string> call_names(const CallTable& table) {
  std::map<std::string, double> most;
  for (const CountedCalls& server : table.servers) {
    for (const auto& [name, calls] : server.calls) {
      most[name] = std::max(most[name], server.per_operation(name));
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, calls] : most) {
    if (calls >= kShown) names.push_back(name);
  }
  std::ranges::sort(names, [&](const auto& one, const auto& other) {
    return std::pair(most[other], one) < std::pair(most[one], other);
  });
  return names;
}

std::string cell(double value) {
  return value == 0 ? fmt::format(" {:>16}", ".") : fmt::format(" {:>16.3f}", value);
}

}  // namespace

std::optional<double> budget_of(const std::string& server, const std::string& scenario) {
  const auto* found = std::ranges::find_if(kBudgets, [&](const Budget& budget) {
    return budget.server == server && budget.scenario == scenario;
  });
  if (found == std::end(kBudgets)) return std::nullopt;
  return found->calls_per_operation;
}

bool has_budget(const std::string& server) {
  return std::ranges::find(kBudgets, server, &Budget::server) != std::end(kBudgets);
}

double CountedCalls::per_operation(const std::string& name) const {
  const auto found = calls.find(name);
  if (found == calls.end()) return 0;
  return static_cast<double>(found->second) / static_cast<double>(operations);
}

double CountedCalls::all_per_operation() const {
  std::uint64_t all = 0;
  for (const auto& [name, count] : calls) all += count;
  return static_cast<double>(all) / static_cast<double>(operations);
}

std::vector<std::string> over_budget(const CallTable& table) {
  std::vector<std::string> names;
  for (const CountedCalls& server : table.servers) {
    const auto budget = budget_of(server.server, table.scenario.name);
    if (budget && server.all_per_operation() > *budget) names.push_back(server.server);
  }
  return names;
}

std::string call_text(const CallTable& table) {
  std::string text = fmt::format("\n{}: calls per {}, {} {}s\n{:<18}", table.scenario.name,
                                 table.scenario.operation(), table.servers.front().operations,
                                 table.scenario.operation(), "call");
  for (const CountedCalls& server : table.servers) text += fmt::format(" {:>16}", server.server);
  text += '\n';
  for (const std::string& name : call_names(table)) {
    text += fmt::format("{:<18}", name);
    for (const CountedCalls& server : table.servers) text += cell(server.per_operation(name));
    text += '\n';
  }
  text += fmt::format("{:<18}", "total");
  for (const CountedCalls& server : table.servers) text += cell(server.all_per_operation());
  const std::vector<std::string> over = over_budget(table);
  for (const CountedCalls& server : table.servers) {
    const auto budget = budget_of(server.server, table.scenario.name);
    if (!budget) continue;
    const bool is_over = std::ranges::find(over, server.server) != over.end();
    text += fmt::format("\nbudget of {}: {:.1f}{}", server.server, *budget,
                        is_over ? ", it is ABOVE" : "");
  }
  return text + '\n';
}

nlohmann::ordered_json calls_per_operation_json(const CountedCalls& counted) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, count] : counted.calls) json[name] = counted.per_operation(name);
  json["total"] = counted.all_per_operation();
  return json;
}

nlohmann::ordered_json call_json(const CallTable& table) {
  nlohmann::ordered_json json = {{"name", table.scenario.name},
                                 {"operation", table.scenario.operation()},
                                 {"servers", nlohmann::ordered_json::array()}};
  for (const CountedCalls& server : table.servers) {
    nlohmann::ordered_json calls = nlohmann::ordered_json::object();
    for (const auto& [name, count] : server.calls) calls[name] = count;
    const auto budget = budget_of(server.server, table.scenario.name);
    json["servers"].push_back({{"name", server.server},
                               {"operations", server.operations},
                               {"calls_per_operation", server.all_per_operation()},
                               {"budget_calls_per_operation", nullptr},
                               {"calls", std::move(calls)}});
    if (budget) json["servers"].back()["budget_calls_per_operation"] = *budget;
  }
  return json;
}

}  // namespace skysock::bench::compare
