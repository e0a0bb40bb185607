#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/compare/comparison.hpp"
#include "bench/compare/times.hpp"

namespace skysock::bench::compare {
namespace {

using nlohmann::ordered_json;

/// What the values of `given` mean, in words.
template <typename Value>
ordered_json words_of(const std::vector<Value>& given,
                      std::span<const std::pair<Value, const char*>> words) {
  ordered_json json = ordered_json::array();
  for (const auto& [value, text] : words) {
    if (std::ranges::find(given, value) != given.end()) json.push_back(text);
  }
  return json;
}

ordered_json slice_json(const Slice& slice, std::size_t round) {
  return {{"round", round},
          {"operations", slice.operations},
          {"wall_s", seconds(slice.wall)},
          {"server_cpu_s", seconds(slice.server_cpu)},
          {"load_cpu_s", seconds(slice.load_cpu)}};
}

ordered_json speed_json(const Summary& summary) {
  if (!summary.speed) return nullptr;
  return {{"of_medians", *summary.speed},
          {"pairs_p25", summary.speed_pairs_p25},
          {"pairs_p75", summary.speed_pairs_p75}};
}

ordered_json ratio_json(const Summary& summary) {
  const std::optional<Ratio>& ratio = summary.ratio;
  if (!ratio) return nullptr;
  return {{"of_p10", ratio->value},
          {"pairs_p25", ratio->pairs_p25},
          {"pairs_median", ratio->pairs_median},
          {"pairs_p75", ratio->pairs_p75},
          {"disturbed", ratio->disturbed()},
          {"unresolved", !summary.doubts.empty()},
          {"unresolved_because", words_of(summary.doubts, doubt_words())}};
}

/// null when the load does not time that.
ordered_json latency_json(const load::LatencyHistogram& latency) {
  if (latency.count() == 0) return nullptr;
  return {{"samples", latency.count()},
          {"p50", us(latency.percentile(0.5))},
          {"p99", us(latency.percentile(0.99))},
          {"p99_9", us(latency.percentile(0.999))},
          {"max", us(latency.max())}};
}

template <typename Value>
ordered_json value_or_null(const std::optional<Value>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json datagrams_json(const load::UdpTroubles& troubles) {
  return {{"lost", troubles.lost}, {"late", troubles.late}, {"duplicates", troubles.duplicates}};
}

ordered_json server_json(const Measured& server, const Scenario& scenario, const Summary& summary) {
  ordered_json json = {{"name", server.name},
                       {"command", server.command},
                       {"cpu_us_per_operation_p10", summary.cpu_us_per_operation_p10},
                       {"cpu_us_per_operation_median", summary.cpu_us_per_operation_median},
                       {"ratio_to_plain_epoll", ratio_json(summary)},
                       {"operations_per_second_median", summary.operations_per_second},
                       {"operations_per_second_to_plain_epoll", speed_json(summary)},
                       {"latency_us", latency_json(server.latencies.operations)},
                       {"server_cpu_share_median", summary.server_cpu_share},
                       {"load_cpu_share_median", summary.load_cpu_share},
                       {"load_limited", !summary.limits.empty()},
                       {"load_limited_because", words_of(summary.limits, limit_words())}};
  json["rss_bytes_per_connection"] = value_or_null(server.rss_bytes_per_connection);
  if (server.rate > 0) {
    json["intended_operations_per_second"] = server.rate;
    json["lateness_us"] = latency_json(server.latencies.lateness);
  }
  if (server.latencies.probes.count() > 0) {
    json["accept_latency_us"] = latency_json(server.latencies.probes);
  }
  if (scenario.kind == LoadKind::udp_echo) {
    json["datagrams"] = datagrams_json(server.latencies.datagrams);
  }
  if (server.calls) json["syscalls_per_operation"] = calls_per_operation_json(*server.calls);
  return json;
}

ordered_json slices_json(const Measured& server) {
  ordered_json slices = ordered_json::array();
  for (std::size_t round = 0; round < server.slices.size(); ++round) {
    slices.push_back(slice_json(server.slices[round], round));
  }
  return slices;
}

}  // namespace

ordered_json comparison_json(const Comparison& comparison, bool with_slices) {
  const Scenario& scenario = comparison.scenario;
  ordered_json json = {{"name", scenario.name},
                       {"server_mode", scenario.mode()},
                       {"connections", scenario.connections},
                       {"message_bytes", scenario.bytes},
                       {"depth", scenario.depth},
                       {"operation", scenario.operation()},
                       {"servers", ordered_json::array()},
                       {"ratios", ordered_json::array()}};
  for (const Measured& server : comparison.servers) {
    json["servers"].push_back(
        server_json(server, scenario, summarise(server, comparison.servers.front(), scenario)));
    if (with_slices) json["servers"].back()["slices"] = slices_json(server);
  }
  for (const Against& pair : against_of(comparison)) {
    ordered_json ratio = ratio_json(summarise(pair.server, pair.other, scenario));
    ratio.update({{"server", pair.server.name}, {"to", pair.other.name}});
    json["ratios"].push_back(std::move(ratio));
  }
  return json;
}

}  // namespace skysock::bench::compare
