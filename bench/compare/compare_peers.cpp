// skysock-bench --compare-peers: how much CPU does each server use per operation, as a ratio to a
// plain epoll server? Leaves out what a server does on other machines' networks, and latency.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/compare/commands.hpp"
#include "bench/compare/comparison.hpp"
#include "bench/compare/options.hpp"
#include "bench/compare/progress.hpp"
#include "bench/compare/record.hpp"
#include "bench/compare/rounds.hpp"

namespace skysock::bench::compare {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

// After another server had the CPU: caches and branch predictors are this one's again.
constexpr double kWarmUpShare = 0.1;

struct CompareOptions : Options {
  unsigned rounds = 13;
  double slice_s = 0.25;
  std::uint64_t seed = 1;
  std::vector<Scenario> scenarios;
};

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
or take more --rounds. "load CPU" near 100 % means that op/s is what the
load can do; CPU per operation still counts.

Exit codes: 0 measured, every answer was right; 1 a server failed or answered wrongly, its name is
in the message; 2 wrong command line; 6 this machine cannot run it (open files, io_uring).

Example: skysock-bench --compare-peers --scenario echo_64x64B,accept_echo1_close --json peers.json
)";

void add_options(CLI::App& app, CompareOptions& options) {
  app.add_flag("--compare-peers", options.command, "this command");
  app.add_option("--scenario", options.scenario_names, "these scenarios only; default: all")
      ->type_name("NAME[,NAME...]");
  app.add_option("--rounds", options.rounds, "slices per server and scenario")
      ->check(CLI::Range(1U, 10'000U))
      ->capture_default_str();
  app.add_option("--slice", options.slice_s, "seconds per slice, beside a tenth of it to warm up")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the order in which servers take turns")
      ->capture_default_str();
  add_common_options(app, options);
  app.footer("Scenarios:\n" + scenario_help() + "\n" + kServerHelp + kProcedure);
}

/// All servers with their loads connected, all paused.
load::Outcome<std::vector<Lane>> start_all(const CompareOptions& options, const Scenario& scenario,
                                           Progress& progress) {
  std::vector<Lane> lanes;
  lanes.reserve(options.peers.size());
  for (const Peer& peer : options.peers) {
    progress.announce(fmt::format("{}, starting {}", scenario.name, peer.name));
    auto lane = Lane::start(peer, scenario, options.placement.server_cpu);
    if (!lane) return std::unexpected(lane.error());
    if (auto paused = lane->pause(); !paused) return std::unexpected(paused.error());
    lanes.push_back(std::move(*lane));
  }
  return lanes;
}

load::Outcome<void> finish_all(std::vector<Lane>& lanes) {
  for (Lane& lane : lanes) {
    if (auto resumed = lane.resume(); !resumed) return resumed;
    if (auto finished = lane.finish(); !finished) return finished;
  }
  return {};
}

load::Outcome<Comparison> compare(const CompareOptions& options, const Scenario& scenario,
                                  Progress& progress) {
  auto lanes = start_all(options, scenario, progress);
  if (!lanes) return std::unexpected(lanes.error());
  Comparison comparison{.scenario = scenario};
  for (const Peer& peer : options.peers) {
    comparison.servers.push_back({peer.name, fmt::format("{}", fmt::join(peer.argv, " ")), {}});
  }
  const auto length = duration_cast<nanoseconds>(std::chrono::duration<double>(options.slice_s));
  const auto warm_up = duration_cast<nanoseconds>(length * kWarmUpShare);
  const auto measure = [&](std::size_t index) -> load::Outcome<void> {
    auto slice = (*lanes)[index].measure(warm_up, length);
    if (!slice) return std::unexpected(slice.error());
    comparison.servers[index].slices.push_back(*slice);
    return {};
  };
  const auto after = [&](unsigned round, std::size_t) {
    progress.step(fmt::format("{}, round {} of {}", scenario.name, round + 1, options.rounds));
  };
  auto done = run_rounds(*lanes, options.rounds, options.seed, measure, after);
  if (done) done = finish_all(*lanes);
  if (!done) return std::unexpected(done.error());
  return comparison;
}

load::Outcome<void> compare_all(const CompareOptions& options, nlohmann::ordered_json& record) {
  fmt::print("seed {}, {} rounds, slices of {} s, {}\n", options.seed, options.rounds,
             options.slice_s, placement_text(options.placement));
  Progress progress(options.scenarios.size() * options.rounds * options.peers.size(), "slices");
  for (const Scenario& scenario : options.scenarios) {
    auto comparison = compare(options, scenario, progress);
    if (!comparison) return std::unexpected(comparison.error());
    progress.clear();
    fmt::print("{}", comparison_text(*comparison));
    std::fflush(stdout);
    record["scenarios"].push_back(comparison_json(*comparison));
  }
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
  record["seed"] = options.seed;
  record["rounds"] = options.rounds;
  record["slice_s"] = options.slice_s;
  record["warm_up_s"] = options.slice_s * kWarmUpShare;
  record["scenarios"] = nlohmann::ordered_json::array();
  auto done = compare_all(options, record);
  if (done) done = write_record(record, options.json);
  return done ? kPassed : complain(kFailed, done.error());
}

}  // namespace

int compare_peers_command(int argc, char** argv) {
  CLI::App app("Measures CPU per operation of several servers as a ratio to a plain epoll server.",
               "skysock-bench --compare-peers");
  CompareOptions options;
  add_options(app, options);
  if (const int code = parse(app, options, argc, argv); code >= 0) return code;
  auto scenarios = choose_scenarios(options.scenario_names);
  if (!scenarios) return complain(kUsage, scenarios.error());
  options.scenarios = std::move(*scenarios);
  return run(options);
}

}  // namespace skysock::bench::compare
