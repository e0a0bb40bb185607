#include "bench/list_command.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/compare/commands.hpp"
#include "bench/compare/scenario.hpp"
#include "bench/counts/scenario.hpp"
#include "bench/exit_code.hpp"
#include "bench/listing.hpp"
#include "bench/run_record.hpp"

namespace skysock::bench {
namespace {

/// The library's own list: it has no other way to tell what is registered.
std::vector<std::string> registered_names() {
  std::ostringstream printed;
  benchmark::ConsoleReporter reporter;
  reporter.SetOutputStream(&printed);
  if (benchmark::RunSpecifiedBenchmarks(&reporter) == 0) return {};
  std::vector<std::string> names;
  std::istringstream lines(printed.str());
  for (std::string line; std::getline(lines, line);) names.push_back(line);
  return names;
}

ListedGroup scenario_group() {
  ListedGroup group{.heading = "scenarios of --compare-peers: CPU time of the servers"};
  for (const compare::Scenario& scenario : compare::scenarios()) {
    group.lines.push_back({scenario.name, std::nullopt,
                           fmt::format("per {}: {}{}", scenario.operation(), scenario.question,
                                       scenario.full ? " (with --full)" : "")});
  }
  return group;
}

ListedGroup counts_group() {
  ListedGroup group{.heading = "scenarios of --counts: exact, per operation"};
  for (const counts::Scenario& scenario : counts::scenarios()) {
    group.lines.push_back(
        {std::string(scenario.name), std::nullopt, std::string(scenario.question)});
  }
  return group;
}

ListedGroup command_group() {
  ListedGroup group{.heading = "other commands, each with --help"};
  for (const compare::Command& command : compare::commands()) {
    group.lines.push_back({std::string(command.flag), std::nullopt, std::string(command.question)});
  }
  return group;
}

nlohmann::ordered_json json_of(const std::vector<ListedGroup>& groups) {
  auto json = nlohmann::ordered_json::array();
  for (const ListedGroup& group : groups) {
    auto lines = nlohmann::ordered_json::array();
    for (const ListedLine& line : group.lines) {
      nlohmann::ordered_json one = {{"name", line.name}};
      if (line.benchmarks) one["benchmarks"] = *line.benchmarks;
      one["question"] = line.question;
      lines.push_back(std::move(one));
    }
    json.push_back({{"heading", group.heading}, {"lines", std::move(lines)}});
  }
  return json;
}

int complain(const std::string& problem) {
  fmt::print(stderr, "skysock-bench: {}\n", problem);
  return kFailed;
}

}  // namespace

int list_command(const std::string& json) {
  const std::vector<std::string> names = registered_names();
  if (names.empty()) return kMeasuredNothing;
  auto groups = group_names(names, described());
  if (!groups) return complain(groups.error());
  groups->push_back(scenario_group());
  groups->push_back(counts_group());
  groups->push_back(command_group());
  nlohmann::ordered_json record = new_record("list");
  record["groups"] = json_of(*groups);
  if (auto written = keep_record(record, json); !written) {
    return complain(written.error());
  }
  fmt::print("{}", text_of(*groups));
  return kPassed;
}

}  // namespace skysock::bench
