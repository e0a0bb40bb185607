#include "bench/compare/comparison.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

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

std::string ratio_text(const std::optional<Ratio>& ratio) {
  if (!ratio) return fmt::format("{:>7}  {:<13}", "-", "");
  return fmt::format("{:>7.3f}{} {:.3f}-{:.3f}  ", ratio->value, ratio->disturbed() ? '?' : ' ',
                     ratio->pairs_p25, ratio->pairs_p75);
}

ordered_json slice_json(const Slice& slice, std::size_t round) {
  return {{"round", round},
          {"operations", slice.operations},
          {"wall_s", seconds(slice.wall)},
          {"server_cpu_s", seconds(slice.server_cpu)},
          {"load_cpu_s", seconds(slice.load_cpu)}};
}

ordered_json ratio_json(const std::optional<Ratio>& ratio) {
  if (!ratio) return nullptr;
  return {{"of_p10", ratio->value},
          {"pairs_p25", ratio->pairs_p25},
          {"pairs_median", ratio->pairs_median},
          {"pairs_p75", ratio->pairs_p75},
          {"disturbed", ratio->disturbed()}};
}

ordered_json server_json(const Measured& server, const Summary& summary) {
  ordered_json json = {{"name", server.name},
                       {"command", server.command},
                       {"cpu_us_per_operation_p10", summary.cpu_us_per_operation_p10},
                       {"cpu_us_per_operation_median", summary.cpu_us_per_operation_median},
                       {"ratio_to_plain_epoll", ratio_json(summary.ratio)},
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

Summary summarise(const Measured& server, const Measured& baseline, LoadKind kind) {
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
  return summary;
}

std::string comparison_text(const Comparison& comparison) {
  const Scenario& scenario = comparison.scenario;
  std::string text = fmt::format("\n{}: {} connections, an operation is a {}\n", scenario.name,
                                 scenario.connections, scenario.operation);
  text += fmt::format("{:<20} {:>13} {:>8}  {:<13} {:>10} {:>8} {:>8}\n", "server", "CPU us/op p10",
                      "ratio", "pairs p25-p75", "op/s", "its CPU", "load CPU");
  for (const Measured& server : comparison.servers) {
    const Summary summary = summarise(server, comparison.servers.front(), scenario.kind);
    text += fmt::format("{:<20} {:>13.3f}  {} {:>9} {:>7.0f} % {:>6.0f} %\n", server.name,
                        summary.cpu_us_per_operation_p10, ratio_text(summary.ratio),
                        scenario.kind == LoadKind::idle
                            ? "-"
                            : fmt::format("{:.0f}", summary.operations_per_second),
                        100 * summary.server_cpu_share, 100 * summary.load_cpu_share);
  }
  return text;
}

ordered_json comparison_json(const Comparison& comparison) {
  ordered_json json = {{"name", comparison.scenario.name},
                       {"connections", comparison.scenario.connections},
                       {"message_bytes", comparison.scenario.bytes},
                       {"operation", comparison.scenario.operation},
                       {"servers", ordered_json::array()}};
  for (const Measured& server : comparison.servers) {
    const Summary summary = summarise(server, comparison.servers.front(), comparison.scenario.kind);
    json["servers"].push_back(server_json(server, summary));
  }
  return json;
}

}  // namespace skysock::bench::compare
