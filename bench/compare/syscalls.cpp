// skysock-bench --syscalls: which system calls does each server make per operation? Leaves out what
// a call costs, and calls that only happen when the server is faster than strace lets it be.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/compare/call_table.hpp"
#include "bench/compare/commands.hpp"
#include "bench/compare/count_calls.hpp"
#include "bench/compare/options.hpp"
#include "bench/compare/progress.hpp"
#include "bench/run_record.hpp"

namespace skysock::bench::compare {
namespace {

struct SyscallOptions : Options {
  std::uint64_t operations = 5'000;
  bool gate = false;
  std::vector<Scenario> scenarios;
};

constexpr const char* kProcedure =
    R"(
Procedure: each server runs alone. Its load connects and makes as many operations as will be
counted, unmeasured; then strace is attached to all threads, the operations are made, every answer
checked, and strace is detached once the server is idle. Budgets are those of skysock without a
worker thread, on epoll and on io_uring; with one, futex and wake-up calls come on top. strace
slows the server, so calls that depend on who is faster (waiting at few connections, futex) may
differ from an untraced run.

Exit codes: 0 counted; 1 a server failed or answered wrongly; 2 wrong command line; 3 with --gate: a
server is above its budget, its name is in the message; 6 cannot run here: strace is missing or may
not trace (as root or with kernel.yama.ptrace_scope=0 it may), too few open files, no io_uring, or
--gate without a server that has a budget.

Example: skysock-bench --syscalls --scenario echo_100x64B --json calls.json
)";

void add_options(CLI::App& app, SyscallOptions& options) {
  app.add_flag("--syscalls", options.command, "this command");
  options.scenario_names = "accept_echo1_close,echo_100x64B,echo_1x64B";
  app.add_option("--scenario", options.scenario_names, "scenarios to count in")
      ->type_name("NAME[,NAME...]")
      ->capture_default_str();
  app.add_option("--operations", options.operations,
                 "operations to count, per server and scenario; of blasts at least 16,000, "
                 "for\nbuffers hold many blocks")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}))
      ->capture_default_str();
  app.add_flag("--gate", options.gate, "exit with 3 when a server is above its budget");
  add_common_options(app, options);
  app.footer("Scenarios:\n" + scenario_help() + "\n" + kServerHelp + kProcedure);
}

std::expected<CountedCalls, CountFailure> count(const SyscallOptions& options, const Peer& peer,
                                                const Scenario& scenario) {
  const auto failed = [](const std::string& text) {
    return std::unexpected(CountFailure{kFailed, text});
  };
  auto lane = Lane::start(peer, scenario, {.server_cpu = options.placement.server_cpu});
  if (!lane) return failed(lane.error());
  auto counted =
      count_calls(*lane, std::max(options.operations, traits_of(scenario.kind).counted_min));
  if (!counted) return counted;
  if (auto finished = lane->finish(); !finished) return failed(finished.error());
  return counted;
}

std::expected<CallTable, CountFailure> count_all(const SyscallOptions& options,
                                                 const Scenario& scenario, Progress& progress) {
  CallTable table{.scenario = scenario};
  for (const Peer& peer : options.peers) {
    if (!takes_part(peer, scenario.mode())) continue;
    progress.announce(fmt::format("{}, {}", scenario.name, peer.name));
    auto counts = count(options, peer, scenario);
    if (!counts) return std::unexpected(counts.error());
    table.servers.push_back(std::move(*counts));
    progress.step(fmt::format("{}, {}", scenario.name, peer.name));
  }
  return table;
}

int run(const SyscallOptions& options) {
  nlohmann::ordered_json record = new_record("syscalls");
  record["left_out"] = left_out_json(options);
  record["operations"] = options.operations;
  record["scenarios"] = nlohmann::ordered_json::array();
  Progress progress(options.scenarios.size() * options.peers.size(), "servers");
  std::string over;
  for (const Scenario& scenario : options.scenarios) {
    const auto table = count_all(options, scenario, progress);
    progress.clear();
    if (!table) return complain(table.error().code, table.error().text);
    fmt::print("{}", call_text(*table));
    std::fflush(stdout);
    record["scenarios"].push_back(call_json(*table));
    for (const std::string& server : over_budget(*table)) {
      over += fmt::format("{}{} in {}", over.empty() ? "" : ", ", server, scenario.name);
    }
  }
  if (auto written = write_record(record, options.json); !written) {
    return complain(kFailed, written.error());
  }
  if (!options.gate || over.empty()) return kPassed;
  return complain(kOverBudget, fmt::format("above the budget: {}", over));
}

/// Checks what only this command needs; the exit code when it cannot go on, else -1.
int prepare(SyscallOptions& options) {
  auto scenarios = choose_scenarios(options.scenario_names);
  if (!scenarios) return complain(kUsage, scenarios.error());
  options.scenarios = std::move(*scenarios);
  std::size_t connections = 0;
  for (const Scenario& scenario : options.scenarios) {
    connections = std::max(connections, scenario.connections);
    if (traits_of(scenario.kind).counted == 0) {
      return complain(kUsage, fmt::format("scenario '{}': expected one with operations to count",
                                          scenario.name));
    }
  }
  if (options.gate && std::ranges::none_of(options.peers, has_budget, &Peer::name)) {
    return complain(kCannotRun, fmt::format("--gate: expected {} or {} among the servers",
                                            kWorkers0, kSkysockUring));
  }
  if (auto room = allow_connections(connections); !room) return complain(kCannotRun, room.error());
  return -1;
}

}  // namespace

int syscalls_command(int argc, char** argv) {
  CLI::App app("Counts the system calls of several servers per operation, by name, with strace.",
               "skysock-bench --syscalls");
  SyscallOptions options;
  add_options(app, options);
  if (const int code = parse(app, options, argc, argv); code >= 0) return code;
  if (const int code = prepare(options); code >= 0) return code;
  return run(options);
}

}  // namespace skysock::bench::compare
