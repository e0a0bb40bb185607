#include "bench/compare/comparison.hpp"

#include <algorithm>
#include <array>

#include "bench/compare/peers.hpp"
#include "bench/compare/times.hpp"

namespace skysock::bench::compare {
namespace {

template <typename Figure>
std::vector<double> of_slices(const Measured& server, Figure&& figure) {
  std::vector<double> values;
  values.reserve(server.slices.size());
  for (const Slice& slice : server.slices) values.push_back(figure(slice));
  return values;
}

template <typename Figure>
double median_of(const Measured& server, Figure&& figure) {
  return percentile(of_slices(server, figure), 0.5);
}

std::vector<double> operations_per_second(const Measured& server) {
  return of_slices(server, [](const Slice& slice) {
    return static_cast<double>(slice.operations) / seconds(slice.wall);
  });
}

std::vector<double> costs(const Measured& server, LoadKind kind) {
  return of_slices(server, [&](const Slice& slice) { return cpu_us_per_operation(slice, kind); });
}

constexpr std::size_t kFirmRounds = 5;
constexpr double kFirmWidth = 0.10;
constexpr double kFirmShare = 0.5;
constexpr double kFirmShareOfTurns = 0.25;
constexpr double kBusyShare = 0.9;
constexpr double kKeptShare = 0.95;

constexpr std::array<std::pair<Doubt, const char*>, 5> kDoubts = {
    {{Doubt::few_rounds, "fewer than 5 rounds"},
     {Doubt::wide_pairs, "pairs wider than 10 %"},
     {Doubt::outside, "more than 3 % outside the pairs"},
     {Doubt::starved, "server and load both had to wait for a CPU"},
     {Doubt::behind, "it did not keep the rate, latencies are those of a queue"}}};

constexpr std::array<std::pair<LoadLimit, const char*>, 2> kLimits = {
    {{LoadLimit::busy, "it used more than 90 % of its CPU"},
     {LoadLimit::late, "the 99th percentile of its lateness is above 200 us"}}};
static_assert(kLatenessLimit == std::chrono::microseconds(200));

/// Servers of such a scenario are idle a part of the time, and nobody waits for a CPU.
bool is_paced(LoadKind kind) { return kind == LoadKind::open_loop || kind == LoadKind::blast_slow; }

std::vector<Doubt> doubts_of(const Summary& summary, const Measured& server,
                             const Scenario& scenario) {
  if (!summary.ratio) return {};
  const std::size_t rounds = server.slices.size();
  const Ratio& ratio = *summary.ratio;
  std::vector<Doubt> doubts;
  if (rounds < kFirmRounds) doubts.push_back(Doubt::few_rounds);
  if (ratio.pairs_p75 - ratio.pairs_p25 > kFirmWidth * ratio.pairs_median) {
    doubts.push_back(Doubt::wide_pairs);
  }
  if (ratio.disturbed()) doubts.push_back(Doubt::outside);
  const double share = scenario.connections == 1 ? kFirmShareOfTurns : kFirmShare;
  if (!is_paced(scenario.kind) && summary.server_cpu_share < share &&
      summary.load_cpu_share < share) {
    doubts.push_back(Doubt::starved);
  }
  if (summary.operations_per_second < kKeptShare * server.rate) doubts.push_back(Doubt::behind);
  return doubts;
}

std::vector<LoadLimit> limits_of(const Summary& summary, const Measured& server, LoadKind kind) {
  std::vector<LoadLimit> limits;
  const bool polls = kind == LoadKind::open_loop;
  if (!polls && summary.load_cpu_share > kBusyShare) limits.push_back(LoadLimit::busy);
  if (server.latencies.lateness.percentile(0.99) > kLatenessLimit) {
    limits.push_back(LoadLimit::late);
  }
  return limits;
}

}  // namespace

std::span<const std::pair<Doubt, const char*>> doubt_words() { return kDoubts; }
std::span<const std::pair<LoadLimit, const char*>> limit_words() { return kLimits; }

std::vector<Against> against_of(const Comparison& comparison) {
  constexpr std::array kAgainst = {std::pair{kSkysockUring, kPlainUring},
                                   std::pair{kSkysockUring, kWorkers0}};
  std::vector<Against> found;
  if (comparison.scenario.kind == LoadKind::idle) return found;
  const auto& servers = comparison.servers;
  for (const auto& [name, other_name] : kAgainst) {
    const auto server = std::ranges::find(servers, name, &Measured::name);
    const auto other = std::ranges::find(servers, other_name, &Measured::name);
    if (server != servers.end() && other != servers.end()) found.push_back({*server, *other});
  }
  return found;
}

Summary summarise(const Measured& server, const Measured& baseline, const Scenario& scenario) {
  const LoadKind kind = scenario.kind;
  const std::vector<double> values = costs(server, kind);
  const std::vector<double> speeds = operations_per_second(server);
  Summary summary{.cpu_us_per_operation_p10 = percentile(values, kCalm),
                  .cpu_us_per_operation_median = percentile(values, 0.5),
                  .operations_per_second = percentile(speeds, 0.5)};
  if (kind != LoadKind::idle) {
    summary.ratio = ratio_of(values, costs(baseline, kind));
    const std::vector<double> baseline_speeds = operations_per_second(baseline);
    summary.speed = summary.operations_per_second / percentile(baseline_speeds, 0.5);
    const std::vector<double> pairs = paired_ratios(speeds, baseline_speeds);
    summary.speed_pairs_p25 = percentile(pairs, 0.25);
    summary.speed_pairs_p75 = percentile(pairs, 0.75);
  }
  summary.server_cpu_share = median_of(
      server, [](const Slice& slice) { return seconds(slice.server_cpu) / seconds(slice.wall); });
  summary.load_cpu_share = median_of(
      server, [](const Slice& slice) { return seconds(slice.load_cpu) / seconds(slice.wall); });
  summary.doubts = doubts_of(summary, server, scenario);
  summary.limits = limits_of(summary, server, kind);
  return summary;
}

}  // namespace skysock::bench::compare
