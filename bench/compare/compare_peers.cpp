// skysock-bench --compare-peers: how much CPU does each server use per operation, as a ratio to a
// plain epoll server, how fast is it, and how long do its clients wait? Leaves out what a server
// does on other machines' networks.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/compare/commands.hpp"
#include "bench/compare/compare_scenario.hpp"
#include "bench/run_record.hpp"

namespace skysock::bench::compare {
namespace {

constexpr const char* kProcedure =
    R"(
Procedure: all servers run on one CPU, the load on another. Each is started once per scenario and
keeps its connections; all but one are stopped (SIGSTOP). In every round each has one slice, in an
order shuffled from --seed; every answer is checked. The figure is the 10th percentile over rounds
of the server's CPU time per operation; the ratio is that divided by plain_epoll's. "pairs" are the
ratios within one round each. Below the servers: skysock_uring divided by plain_uring and by
skysock_workers0. "?" marks a ratio that is not resolved, and a line under the table
says why: fewer than 5 rounds; the middle half of the pairs is wider than 10 %; the ratio is more
than 3 % outside it; server and load both had to wait for a CPU (both had less than half of one, or
a quarter with one connection, where they take turns). Then the machine was disturbed: measure again
or take more --rounds.

Beside it: operations per second (median) and how many times plain_epoll's; percentiles of the
latency over all slices, from send (or connect) to the last checked byte; resident memory that the
connections added, per connection (meaningful from about 1,000). "!" after "load CPU" marks a row
whose limit is the load: it used more than 90 % of its CPU, or, in an open loop, sent more than 1 %
of its messages over 200 us late; CPU per operation still counts. An open loop polls between
messages, so that its CPU says nothing. Then, with strace attached, system calls per operation by
name (not with --no-syscalls).

open_loop_50 and _80 send to all servers at one rate: that share of what the first of them reached
in a short closed loop before the rounds, or --rate. Latencies count from the time at which a
message was due, so that a server that stands still is charged with all that came meanwhile.
--stall checks that: it stops every server for MS milliseconds in the middle of one slice, in the
middle round. p99.9 must then be about MS, if MS is long against a thousandth of the measured time
(rounds x slice).

Time: 2.2 s per server and scenario, 6 minutes for all scenarios without --full and 9 servers.
Where a ratio is not resolved, or for a record to keep, take --rounds 30.

Exit codes: 0 measured, every answer was right; 1 a server failed or answered wrongly, its name is
in the message; 2 wrong command line; 6 this machine cannot run it (open files, io_uring).

Example: skysock-bench --compare-peers --scenario echo_64x64B,accept_echo1_close --json peers.json
)";

void add_measuring_options(CLI::App& app, CompareOptions& options) {
  app.add_option("--rounds", options.rounds, "slices per server and scenario")
      ->check(CLI::Range(1U, 10'000U))
      ->capture_default_str();
  app.add_option("--slice", options.slice_s, "seconds per slice, beside a tenth of it to warm up")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the order in which servers take turns")
      ->capture_default_str();
  app.add_option("--rate", options.rate, "operations per second of the open loops")
      ->check(CLI::Range(1.0, 1e7));
  app.add_option("--stall", options.stall_ms, "stop each server so long, to check the latencies")
      ->check(CLI::Range(1U, 10'000U))
      ->type_name("MS");
}

void add_options(CLI::App& app, CompareOptions& options) {
  app.add_flag("--compare-peers", options.command, "this command");
  app.add_option("--scenario", options.scenario_names, "these scenarios only")
      ->type_name("NAME[,NAME...]");
  app.add_flag("--full", options.full, "all scenarios; without it those not marked below");
  add_measuring_options(app, options);
  app.add_flag("--no-syscalls", options.no_syscalls, "do not count system calls");
  app.add_flag("--no-slices", options.no_slices, "--json without the figures of every slice");
  add_common_options(app, options);
  app.footer("Scenarios:\n" + scenario_help() + "\n" + kServerHelp + kProcedure);
}

/// Says which servers do not take part in which scenarios: those that only echo.
void say_who_only_echoes(const CompareOptions& options, nlohmann::ordered_json& record) {
  record["only_in_echo"] = nlohmann::ordered_json::array();
  for (const Peer& peer : options.peers) {
    const auto left_out = std::ranges::count_if(options.scenarios, [&](const Scenario& scenario) {
      return !takes_part(peer, scenario.mode());
    });
    if (left_out == 0) continue;
    fmt::print(stderr,
               "skysock-bench: {} is left out of {} of {} scenarios, where a server does something "
               "else than echo over TCP: expected {{mode}} in its command\n",
               peer.name, left_out, options.scenarios.size());
    record["only_in_echo"].push_back(peer.name);
  }
}

load::Outcome<void> compare_all(const CompareOptions& options, nlohmann::ordered_json& record) {
  fmt::print("seed {}, {} rounds, slices of {} s, {}\n", options.seed, options.rounds,
             options.slice_s, placement_text(options.placement));
  std::size_t lanes = 0;
  for (const Scenario& scenario : options.scenarios) {
    lanes += peers_in(options.peers, scenario).size();
  }
  Progress progress(lanes * options.rounds, "slices");
  std::string not_counted;
  for (const Scenario& scenario : options.scenarios) {
    auto comparison = compare_in(options, scenario, progress, not_counted);
    if (!comparison) return std::unexpected(comparison.error());
    progress.clear();
    fmt::print("{}", comparison_text(*comparison));
    std::fflush(stdout);
    record["scenarios"].push_back(comparison_json(*comparison, !options.no_slices));
    // Whatever ends this early, what was measured is kept.
    if (auto kept = keep_record(record, options.json); !kept) return kept;
  }
  if (not_counted.empty()) return {};
  fmt::print("\nsystem calls are not counted: {}\n", not_counted);
  record["syscalls_not_counted"] = not_counted;
  return {};
}

int run(const CompareOptions& options) {
  std::size_t connections = 0;
  for (const Scenario& scenario : options.scenarios) {
    connections = std::max(connections, scenario.connections);
  }
  if (auto room = allow_connections(connections); !room) return complain(kCannotRun, room.error());
  nlohmann::ordered_json record = new_record("compare_peers");
  record["left_out"] = left_out_json(options);
  say_who_only_echoes(options, record);
  record["seed"] = options.seed;
  record["rounds"] = options.rounds;
  record["slice_s"] = options.slice_s;
  record["warm_up_s"] = options.slice_s * kWarmUpShare;
  record["stall_ms"] = options.stall_ms;
  record["complete"] = false;
  record["scenarios"] = nlohmann::ordered_json::array();
  auto done = compare_all(options, record);
  record["complete"] = done.has_value();
  if (done) done = write_record(record, options.json);
  return done ? kPassed : complain(kFailed, done.error());
}

/// Chooses the scenarios; the exit code when that cannot be, else -1.
int prepare(CompareOptions& options) {
  auto scenarios = choose_scenarios(options.scenario_names, options.full);
  if (!scenarios) return complain(kUsage, scenarios.error());
  options.scenarios = std::move(*scenarios);
  const bool has_open_loop = std::ranges::find(options.scenarios, LoadKind::open_loop,
                                               &Scenario::kind) != options.scenarios.end();
  for (const auto& [option, given] : std::map<const char*, bool>{{"--stall", options.stall_ms > 0},
                                                                 {"--rate", options.rate > 0}}) {
    if (!given || has_open_loop) continue;
    return complain(kUsage, fmt::format("{}: expected an open loop among the scenarios, got '{}'",
                                        option, options.scenario_names));
  }
  return -1;
}

}  // namespace

int compare_peers_command(int argc, char** argv) {
  CLI::App app("Measures CPU per operation of several servers as a ratio to a plain epoll server.",
               "skysock-bench --compare-peers");
  CompareOptions options;
  add_options(app, options);
  if (const int code = parse(app, options, argc, argv); code >= 0) return code;
  if (const int code = prepare(options); code >= 0) return code;
  return run(options);
}

}  // namespace skysock::bench::compare
