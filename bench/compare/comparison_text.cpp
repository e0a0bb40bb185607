#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "bench/compare/comparison.hpp"

namespace skysock::bench::compare {
namespace {

using load::LatencyHistogram;

struct Row {
  std::string name;
  const Measured& server;
  Summary summary;
};

/// The columns between the ratio and the end of a line.
struct Column {
  const char* heading;
  std::size_t width;
  bool (*shown)(const Scenario&);
  std::string (*cell)(const Row&);
};

bool always(const Scenario&) { return true; }
bool when_open(const Scenario& scenario) { return scenario.kind == LoadKind::open_loop; }
bool when_udp(const Scenario& scenario) { return scenario.kind == LoadKind::udp_echo; }
bool when_broadcast(const Scenario& scenario) { return scenario.kind == LoadKind::broadcast; }

std::string latency(const LatencyHistogram& histogram, double share) {
  if (histogram.count() == 0) return "-";
  const double us = static_cast<double>(histogram.percentile(share).count()) / 1e3;
  return us < 1'000 ? fmt::format("{:.1f}", us) : fmt::format("{:.0f}", us);
}

template <auto Latencies::* kHistogram, int kPerMille>
std::string percentile_cell(const Row& row) {
  return latency(row.server.latencies.*kHistogram, kPerMille / 1e3);
}

std::string rate_cell(const Row& row) {
  return row.summary.speed ? fmt::format("{:.0f}", row.summary.operations_per_second) : "-";
}
std::string speed_cell(const Row& row) {
  return row.summary.speed ? fmt::format("{:.2f}", *row.summary.speed) : "-";
}
std::string speed_pairs_cell(const Row& row) {
  if (!row.summary.speed) return "-";
  return fmt::format("{:.2f}-{:.2f}", row.summary.speed_pairs_p25, row.summary.speed_pairs_p75);
}
std::string intended_cell(const Row& row) { return fmt::format("{:.0f}", row.server.rate); }
std::string server_cpu_cell(const Row& row) {
  return fmt::format("{:.0f} %", 100 * row.summary.server_cpu_share);
}
std::string load_cpu_cell(const Row& row) {
  return fmt::format("{:.0f} %{}", 100 * row.summary.load_cpu_share,
                     row.summary.limits.empty() ? ' ' : '!');
}
std::string lost_cell(const Row& row) {
  return std::to_string(row.server.latencies.datagrams.lost);
}
std::string memory_cell(const Row& row) {
  if (!row.server.rss_bytes_per_connection) return "-";
  return fmt::format("{:.2f}", *row.server.rss_bytes_per_connection / 1024);
}

constexpr Column kColumns[] = {
    {"op/s", 10, always, rate_cell},
    {"x plain", 8, always, speed_cell},
    {"p25-p75", 9, always, speed_pairs_cell},
    {"its CPU", 7, always, server_cpu_cell},
    {"load CPU", 9, always, load_cpu_cell},
    {"p50 us", 8, always, percentile_cell<&Latencies::operations, 500>},
    {"p99 us", 8, always, percentile_cell<&Latencies::operations, 990>},
    {"p99.9 us", 8, always, percentile_cell<&Latencies::operations, 999>},
    {"KiB/conn", 8, always, memory_cell},
    {"rate op/s", 10, when_open, intended_cell},
    {"late p99 us", 11, when_open, percentile_cell<&Latencies::lateness, 990>},
    {"lost", 5, when_udp, lost_cell},
    {"accept p50 us", 13, when_broadcast, percentile_cell<&Latencies::probes, 500>},
    {"accept p99 us", 13, when_broadcast, percentile_cell<&Latencies::probes, 990>}};

std::string ratio_text(const Summary& summary) {
  const std::optional<Ratio>& ratio = summary.ratio;
  if (!ratio) return fmt::format("{:>7}  {:<13}", "-", "");
  return fmt::format("{:>7.3f}{} {:.3f}-{:.3f}  ", ratio->value, summary.doubts.empty() ? ' ' : '?',
                     ratio->pairs_p25, ratio->pairs_p75);
}

/// What the marks of one table mean, with the rows that have them; "" when there is none.
template <typename Value>
std::string marks_text(const std::vector<Row>& rows, std::vector<Value> Summary::* marks,
                       std::span<const std::pair<Value, const char*>> words) {
  std::string text;
  for (const auto& [value, meaning] : words) {
    std::vector<std::string> names;
    for (const Row& row : rows) {
      const std::vector<Value>& given = row.summary.*marks;
      if (std::ranges::find(given, value) != given.end()) names.push_back(row.name);
    }
    if (names.empty()) continue;
    const std::string who =
        names.size() == rows.size() ? "all" : fmt::format("{}", fmt::join(names, ", "));
    text += fmt::format("{}{} ({})", text.empty() ? "" : "; ", meaning, who);
  }
  return text;
}

std::string heading(const Scenario& scenario) {
  std::string text = fmt::format("\n{}: {} connections, an operation is a {}\n", scenario.name,
                                 scenario.connections, scenario.operation());
  text += fmt::format("{:<20} {:>13} {:>8}  {:<13}", "server", "CPU us/op p10", "ratio",
                      "pairs p25-p75");
  for (const Column& column : kColumns) {
    if (column.shown(scenario)) text += fmt::format(" {:>{}}", column.heading, column.width);
  }
  return text + '\n';
}

std::string line(const Row& row, const Scenario& scenario) {
  std::string text = fmt::format("{:<20} {:>13.3f}  {}", row.name,
                                 row.summary.cpu_us_per_operation_p10, ratio_text(row.summary));
  text.pop_back();  // The columns bring their own space.
  for (const Column& column : kColumns) {
    if (column.shown(scenario)) text += fmt::format(" {:>{}}", column.cell(row), column.width);
  }
  return text + '\n';
}

std::string calls_text(const Comparison& comparison) {
  CallTable table{.scenario = comparison.scenario};
  for (const Measured& server : comparison.servers) {
    if (server.calls) table.servers.push_back(*server.calls);
  }
  return table.servers.empty() ? "" : call_text(table);
}

}  // namespace

std::string comparison_text(const Comparison& comparison) {
  const Scenario& scenario = comparison.scenario;
  std::string text = heading(scenario);
  std::vector<Row> rows;
  for (const Measured& server : comparison.servers) {
    rows.push_back({server.name, server, summarise(server, comparison.servers.front(), scenario)});
    text += line(rows.back(), scenario);
  }
  const std::string limits = marks_text(rows, &Summary::limits, limit_words());
  for (const Against& pair : against_of(comparison)) {
    rows.push_back({fmt::format("{} to {}", pair.server.name, pair.other.name), pair.server,
                    summarise(pair.server, pair.other, scenario)});
    text += fmt::format("{:<34}  {}\n", rows.back().name, ratio_text(rows.back().summary));
  }
  const std::string doubts = marks_text(rows, &Summary::doubts, doubt_words());
  if (!doubts.empty()) text += fmt::format("? not resolved, measure again: {}\n", doubts);
  if (!limits.empty()) {
    text += fmt::format("! the load is the limit, op/s and latencies are its own: {}\n", limits);
  }
  return text + calls_text(comparison);
}

}  // namespace skysock::bench::compare
