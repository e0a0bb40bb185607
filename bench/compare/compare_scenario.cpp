#include "bench/compare/compare_scenario.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "bench/compare/count_calls.hpp"
#include "bench/compare/lane.hpp"
#include "bench/compare/rounds.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

/// All servers with their loads connected, all paused.
Outcome<std::vector<Lane>> start_all(const CompareOptions& options, const Scenario& scenario,
                                     Progress& progress) {
  std::vector<Lane> lanes;
  double rate = options.rate;
  for (const Peer& peer : peers_in(options.peers, scenario)) {
    progress.announce(fmt::format("{}, starting {}", scenario.name, peer.name));
    auto lane =
        Lane::start(peer, scenario, {.server_cpu = options.placement.server_cpu, .rate = rate});
    if (!lane) return std::unexpected(lane.error());
    rate = lane->rate();  // The first server's peak decides for all of them.
    if (auto paused = lane->pause(); !paused) return std::unexpected(paused.error());
    lanes.push_back(std::move(*lane));
  }
  return lanes;
}

SliceOptions slice_of(const CompareOptions& options, const Scenario& scenario, std::size_t round) {
  const auto length = duration_cast<nanoseconds>(std::chrono::duration<double>(options.slice_s));
  SliceOptions slice{.warm_up = duration_cast<nanoseconds>(length * kWarmUpShare),
                     .duration = length};
  if (scenario.kind == LoadKind::open_loop && round == options.rounds / 2) {
    slice.stall = std::chrono::milliseconds(options.stall_ms);
  }
  return slice;
}

Outcome<void> measure_all(const CompareOptions& options, std::vector<Lane>& lanes,
                          Comparison& comparison, Progress& progress) {
  const Scenario& scenario = comparison.scenario;
  const auto measure = [&](std::size_t index) -> Outcome<void> {
    Measured& server = comparison.servers[index];
    auto slice =
        lanes[index].measure(slice_of(options, scenario, server.slices.size()), server.latencies);
    if (!slice) return std::unexpected(slice.error());
    if (slice->operations == 0 && scenario.kind != LoadKind::idle) {
      return std::unexpected(fmt::format("{}, server {}: no operation in a slice of {} s",
                                         scenario.name, server.name, options.slice_s));
    }
    server.slices.push_back(*slice);
    return {};
  };
  const auto after = [&](unsigned round, std::size_t) {
    progress.step(fmt::format("{}, round {} of {}", scenario.name, round + 1, options.rounds));
  };
  return run_rounds(lanes, options.rounds, options.seed, measure, after);
}

/// Requires: the lanes are paused.
Outcome<void> count_all(std::vector<Lane>& lanes, Comparison& comparison, Progress& progress,
                        std::string& not_counted) {
  const Scenario& scenario = comparison.scenario;
  const auto operations =
      std::max<std::uint64_t>(traits_of(scenario.kind).counted, scenario.connections);
  for (std::size_t at = 0; at < lanes.size() && not_counted.empty(); ++at) {
    Lane& lane = lanes[at];
    progress.announce(fmt::format("{}, system calls of {}", scenario.name, lane.name()));
    if (auto resumed = lane.resume(); !resumed) return resumed;
    auto counted = count_calls(lane, operations);
    if (counted) {
      comparison.servers[at].calls = std::move(*counted);
    } else if (counted.error().code == kCannotRun) {
      not_counted = counted.error().text;
    } else {
      return std::unexpected(counted.error().text);
    }
    if (auto paused = lane.pause(); !paused) return paused;
  }
  return {};
}

Outcome<void> finish_all(std::vector<Lane>& lanes) {
  for (Lane& lane : lanes) {
    if (auto resumed = lane.resume(); !resumed) return resumed;
    if (auto finished = lane.finish(); !finished) return finished;
  }
  return {};
}

}  // namespace

std::vector<Peer> peers_in(const std::vector<Peer>& peers, const Scenario& scenario) {
  std::vector<Peer> some;
  std::ranges::copy_if(peers, std::back_inserter(some),
                       [&](const Peer& peer) { return takes_part(peer, scenario.mode()); });
  return some;
}

Outcome<Comparison> compare_in(const CompareOptions& options, const Scenario& scenario,
                               Progress& progress, std::string& not_counted) {
  auto lanes = start_all(options, scenario, progress);
  if (!lanes) return std::unexpected(lanes.error());
  Comparison comparison{.scenario = scenario};
  for (const Lane& lane : *lanes) {
    comparison.servers.push_back({.name = lane.name(),
                                  .command = fmt::format("{}", fmt::join(lane.argv(), " ")),
                                  .rate = lane.rate(),
                                  .rss_bytes_per_connection = lane.rss_bytes_per_connection()});
  }
  auto done = measure_all(options, *lanes, comparison, progress);
  if (done && !options.no_syscalls && traits_of(scenario.kind).counted > 0) {
    done = count_all(*lanes, comparison, progress, not_counted);
  }
  if (done) done = finish_all(*lanes);
  if (!done) return std::unexpected(done.error());
  return comparison;
}

}  // namespace skysock::bench::compare
