#include "bench/compare/comparison.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/compare/peers.hpp"

namespace skysock::bench::compare {
namespace {

using nlohmann::ordered_json;

double seconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

template <typename Figure>
double median_of(const Measured& server, Figure&& figure) {
  std::vector<double> values;
  values.reserve(server.slices.size());
  for (const Slice& slice : server.slices) values.push_back(figure(slice));
  return percentile(values, 0.5);
}

std::vector<double> costs(const Measured& server, LoadKind kind) {
  std::vector<double> values;
  values.reserve(server.slices.size());
  for (const Slice& slice : server.slices) values.push_back(cpu_us_per_operation(slice, kind));
  return values;
}

/// Two servers, neither of which is the baseline.
struct Against {
  const Measured& server;
  const Measured& other;
};

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

std::string ratio_text(const Summary& summary) {
  const std::optional<Ratio>& ratio = summary.ratio;
  if (!ratio) return fmt::format("{:>7}  {:<13}", "-", "");
  return fmt::format("{:>7.3f}{} {:.3f}-{:.3f}  ", ratio->value, summary.doubts.empty() ? ' ' : '?',
                     ratio->pairs_p25, ratio->pairs_p75);
}

constexpr std::size_t kFirmRounds = 5;
constexpr double kFirmWidth = 0.10;
constexpr double kFirmShare = 0.5;
constexpr double kFirmShareOfTurns = 0.25;

constexpr std::array kDoubts = {
    std::pair{Doubt::few_rounds, "fewer than 5 rounds"},
    std::pair{Doubt::wide_pairs, "pairs wider than 10 %"},
    std::pair{Doubt::outside, "more than 3 % outside the pairs"},
    std::pair{Doubt::starved, "server and load both had to wait for a CPU"}};

bool has(const std::vector<Doubt>& doubts, Doubt doubt) {
  return std::ranges::find(doubts, doubt) != doubts.end();
}

std::vector<Doubt> doubts_of(const Summary& summary, std::size_t rounds, std::size_t connections) {
  if (!summary.ratio) return {};
  const Ratio& ratio = *summary.ratio;
  std::vector<Doubt> doubts;
  if (rounds < kFirmRounds) doubts.push_back(Doubt::few_rounds);
  if (ratio.pairs_p75 - ratio.pairs_p25 > kFirmWidth * ratio.pairs_median) {
    doubts.push_back(Doubt::wide_pairs);
  }
  if (ratio.disturbed()) doubts.push_back(Doubt::outside);
  const double share = connections == 1 ? kFirmShareOfTurns : kFirmShare;
  if (summary.server_cpu_share < share && summary.load_cpu_share < share) {
    doubts.push_back(Doubt::starved);
  }
  return doubts;
}

/// What the marks of one table mean; "" when there is none.
std::string doubts_text(const std::vector<std::pair<std::string, Summary>>& rows) {
  std::string text;
  for (const auto& [doubt, words] : kDoubts) {
    std::vector<std::string> names;
    for (const auto& [name, summary] : rows) {
      if (has(summary.doubts, doubt)) names.push_back(name);
    }
    if (names.empty()) continue;
    const std::string who =
        names.size() == rows.size() ? "all" : fmt::format("{}", fmt::join(names, ", "));
    text += fmt::format("{}{} ({})", text.empty() ? "" : "; ", words, who);
  }
  return text.empty() ? "" : fmt::format("? not resolved, measure again: {}\n", text);
}

ordered_json slice_json(const Slice& slice, std::size_t round) {
  return {{"round", round},
          {"operations", slice.operations},
          {"wall_s", seconds(slice.wall)},
          {"server_cpu_s", seconds(slice.server_cpu)},
          {"load_cpu_s", seconds(slice.load_cpu)}};
}

ordered_json ratio_json(const Summary& summary) {
  const std::optional<Ratio>& ratio = summary.ratio;
  if (!ratio) return nullptr;
  ordered_json why = ordered_json::array();
  for (const auto& [doubt, words] : kDoubts) {
    if (has(summary.doubts, doubt)) why.push_back(words);
  }
  return {{"of_p10", ratio->value},
          {"pairs_p25", ratio->pairs_p25},
          {"pairs_median", ratio->pairs_median},
          {"pairs_p75", ratio->pairs_p75},
          {"disturbed", ratio->disturbed()},
          {"unresolved", !why.empty()},
          {"unresolved_because", why}};
}

ordered_json server_json(const Measured& server, const Summary& summary) {
  ordered_json json = {{"name", server.name},
                       {"command", server.command},
                       {"cpu_us_per_operation_p10", summary.cpu_us_per_operation_p10},
                       {"cpu_us_per_operation_median", summary.cpu_us_per_operation_median},
                       {"ratio_to_plain_epoll", ratio_json(summary)},
                       {"operations_per_second_median", summary.operations_per_second},
                       {"server_cpu_share_median", summary.server_cpu_share},
                       {"load_cpu_share_median", summary.load_cpu_share},
                       {"slices", ordered_json::array()}};
  for (std::size_t round = 0; round < server.slices.size(); ++round) {
    json["slices"].push_back(slice_json(server.slices[round], round));
  }
  return json;
}

}  // namespace

Summary summarise(const Measured& server, const Measured& baseline, const Scenario& scenario) {
  const LoadKind kind = scenario.kind;
  const std::vector<double> values = costs(server, kind);
  Summary summary{.cpu_us_per_operation_p10 = percentile(values, kCalm),
                  .cpu_us_per_operation_median = percentile(values, 0.5)};
  if (kind != LoadKind::idle) summary.ratio = ratio_of(values, costs(baseline, kind));
  summary.operations_per_second = median_of(server, [](const Slice& slice) {
    return static_cast<double>(slice.operations) / seconds(slice.wall);
  });
  summary.server_cpu_share = median_of(
      server, [](const Slice& slice) { return seconds(slice.server_cpu) / seconds(slice.wall); });
  summary.load_cpu_share = median_of(
      server, [](const Slice& slice) { return seconds(slice.load_cpu) / seconds(slice.wall); });
  summary.doubts = doubts_of(summary, server.slices.size(), scenario.connections);
  return summary;
}

std::string comparison_text(const Comparison& comparison) {
  const Scenario& scenario = comparison.scenario;
  std::string text = fmt::format("\n{}: {} connections, an operation is a {}\n", scenario.name,
                                 scenario.connections, scenario.operation);
  text += fmt::format("{:<20} {:>13} {:>8}  {:<13} {:>10} {:>8} {:>8}\n", "server", "CPU us/op p10",
                      "ratio", "pairs p25-p75", "op/s", "its CPU", "load CPU");
  std::vector<std::pair<std::string, Summary>> rows;
  for (const Measured& server : comparison.servers) {
    const Summary summary = summarise(server, comparison.servers.front(), scenario);
    rows.emplace_back(server.name, summary);
    text += fmt::format("{:<20} {:>13.3f}  {} {:>9} {:>7.0f} % {:>6.0f} %\n", server.name,
                        summary.cpu_us_per_operation_p10, ratio_text(summary),
                        scenario.kind == LoadKind::idle
                            ? "-"
                            : fmt::format("{:.0f}", summary.operations_per_second),
                        100 * summary.server_cpu_share, 100 * summary.load_cpu_share);
  }
  for (const Against& pair : against_of(comparison)) {
    const std::string name = fmt::format("{} to {}", pair.server.name, pair.other.name);
    rows.emplace_back(name, summarise(pair.server, pair.other, scenario));
    text += fmt::format("{:<34}  {}\n", name, ratio_text(rows.back().second));
  }
  return text + doubts_text(rows);
}

ordered_json comparison_json(const Comparison& comparison) {
  ordered_json json = {{"name", comparison.scenario.name},
                       {"connections", comparison.scenario.connections},
                       {"message_bytes", comparison.scenario.bytes},
                       {"operation", comparison.scenario.operation},
                       {"servers", ordered_json::array()},
                       {"ratios", ordered_json::array()}};
  for (const Measured& server : comparison.servers) {
    const Summary summary = summarise(server, comparison.servers.front(), comparison.scenario);
    json["servers"].push_back(server_json(server, summary));
  }
  for (const Against& pair : against_of(comparison)) {
    ordered_json ratio = ratio_json(summarise(pair.server, pair.other, comparison.scenario));
    ratio.update({{"server", pair.server.name}, {"to", pair.other.name}});
    json["ratios"].push_back(std::move(ratio));
  }
  return json;
}

}  // namespace skysock::bench::compare
