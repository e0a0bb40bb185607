#include "results/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "results/summary.hpp"

namespace skysock::results {
namespace {

using nlohmann::json;

constexpr const char* kStyle = R"css(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 980px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; }
h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3em .7em; vertical-align: top;
         border-bottom: 1px solid #eee; overflow-wrap: anywhere; }
th { white-space: nowrap; font-weight: 600; }
tr.bad td { background: #fdecea; }
.chart { position: relative; height: 320px; margin: 1em 0; }
.note { color: #666; font-size: .9em; }
)css";

// Blue and orange are told apart by everyone; the baseline is grey.
constexpr const char* kOurs = "#1f6fb4";
constexpr const char* kOther = "#e07b00";
constexpr const char* kBaseline = "#8a8a8a";

std::string colour_of(const std::string& variant) {
  if (variant == "raw_epoll") return kBaseline;
  return variant == "lua" ? kOther : kOurs;
}

/// JSON inside a script element: "</script>" in a name must not end it.
std::string for_script(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos;)
    text.replace(at, 1, "\\u003c");
  return text;
}

json axis_title(const std::string& text) { return {{"display", true}, {"text", text}}; }

/// Collects the body of the page and the charts in it.
class Page {
 public:
  void heading(std::string_view text) { body_ += fmt::format("<h2>{}</h2>\n", escape_html(text)); }
  void note(std::string_view text) {
    body_ += fmt::format("<p class=\"note\">{}</p>\n", escape_html(text));
  }

  void begin_table(const std::vector<std::string>& columns) {
    body_ += "<table>";
    if (columns.empty()) return;
    body_ += "<tr>";
    for (const std::string& column : columns)
      body_ += fmt::format("<th>{}</th>", escape_html(column));
    body_ += "</tr>\n";
  }
  void row(const std::vector<std::string>& cells, bool good = true) {
    body_ += good ? "<tr>" : "<tr class=\"bad\">";
    for (const std::string& cell : cells) body_ += fmt::format("<td>{}</td>", escape_html(cell));
    body_ += "</tr>\n";
  }
  void end_table() { body_ += "</table>\n"; }

  void chart(json config) {
    config["options"]["maintainAspectRatio"] = false;
    config["options"]["animation"] = false;
    body_ += fmt::format("<div class=\"chart\"><canvas id=\"chart{}\"></canvas></div>\n",
                         charts_.size());
    charts_.push_back(std::move(config));
  }

  [[nodiscard]] std::string html(const ReportData& data) const {
    return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>skysock "
           "report</title>\n<style>" +
           std::string(kStyle) + "</style>\n<script>" + data.chart_script +
           "</script>\n</head><body>\n<h1>skysock " + "report</h1>\n" + body_ +
           "<script>\nconst charts = " + for_script(charts_) +
           ";\ncharts.forEach((config, i) => new Chart(document.getElementById('chart' + i), "
           "config));\n</script>\n" +
           "</body></html>\n";
  }

 private:
  std::string body_;
  json charts_ = json::array();
};

void add_summary(Page& page, const ReportData& data) {
  page.heading("Summary");
  page.begin_table({});
  for (const SummaryRow& row : summarise(data.inputs)) page.row({row.what, row.value}, row.good);
  for (const std::string& text : missing_parts(data.inputs)) page.row({"missing", text}, false);
  page.end_table();
}

void add_build(Page& page, const std::string& what, const json& side) {
  const json& build = side.at("build");
  std::string command;
  for (const json& word : side.at("command"))
    command += (command.empty() ? "" : " ") + word.get<std::string>();
  page.row({what, fmt::format("{} | sha256 {:.12} | git {:.12}{} | {} | {}", command,
                              build.at("binary_sha256").get<std::string>(),
                              build.at("git_sha").get<std::string>(),
                              build.at("dirty").get<bool>() ? " (dirty)" : "",
                              build.at("compiler").get<std::string>(),
                              build.at("flags").get<std::string>())});
}

void add_facts(Page& page, const ReportData& data) {
  const MachineFacts& machine = data.machine;
  page.heading("Where and what");
  page.begin_table({});
  page.row({"written", data.written});
  page.row({"CPU", fmt::format("{}, {} CPUs, {}", machine.cpu, machine.cpus, machine.hypervisor)});
  page.row({"kernel, glibc, governor",
            fmt::format("{}, {}, {}", machine.kernel, machine.glibc, machine.governor)});
  if (data.inputs.compare) {
    add_build(page, "A", data.inputs.compare->at("a"));
    add_build(page, "B", data.inputs.compare->at("b"));
  }
  if (data.inputs.benchmark) {
    page.row({"benchmarks run",
              data.inputs.benchmark->date + " by " + data.inputs.benchmark->executable});
  }
  page.end_table();
}

/// A horizontal line over all rounds.
json level(const std::string& label, double y, std::size_t rounds, const char* colour,
           bool dashed) {
  json line{{"label", label},
            {"type", "line"},
            {"data", {{{"x", 1}, {"y", y}}, {{"x", rounds}, {"y", y}}}},
            {"borderColor", colour},
            {"backgroundColor", colour},
            {"borderWidth", 1.5},
            {"pointRadius", 0}};
  if (dashed) line["borderDash"] = {5, 4};
  return line;
}

json compare_chart(const json& compare) {
  const json& rounds = compare.at("rounds");
  json points_ab = json::array();
  json points_ba = json::array();
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    json& points = rounds[i].at("order") == "AB" ? points_ab : points_ba;
    points.push_back({{"x", i + 1}, {"y", rounds[i].at("cpu_ratio")}});
  }
  const json& cpu = compare.at("metrics").at("cpu_ns_per_operation");
  const double margin = compare.at("margin");
  json sets = {{{"label", "round, A first"}, {"data", points_ab}, {"backgroundColor", kOurs}},
               {{"label", "round, B first"}, {"data", points_ba}, {"backgroundColor", kOther}},
               level("median", cpu.at("ratio"), rounds.size(), "#222222", false),
               level("margin", 1 + margin, rounds.size(), "#c0392b", true),
               level("margin (faster)", 1 / (1 + margin), rounds.size(), "#2e8b57", true)};
  if (cpu.at("interval").is_object()) {
    sets.push_back(
        level("interval, low", cpu["interval"].at("low"), rounds.size(), "#555555", true));
    sets.push_back(
        level("interval, high", cpu["interval"].at("high"), rounds.size(), "#555555", true));
  }
  return {{"type", "scatter"},
          {"data", {{"datasets", sets}}},
          {"options",
           {{"scales",
             {{"x", {{"title", axis_title("round")}}},
              {"y", {{"title", axis_title("CPU per operation, B / A")}}}}}}}};
}

void add_compare(Page& page, const json& compare) {
  page.heading(fmt::format("Comparison: {} (A) with {} (B)",
                           compare.at("a").at("name").get<std::string>(),
                           compare.at("b").at("name").get<std::string>()));
  page.note(compare.at("verdict_text").get<std::string>());
  if (compare.at("rounds").empty()) return;
  page.chart(compare_chart(compare));
  const json& placement = compare.at("placement");
  page.note(
      fmt::format("CPU time of the server process, ns per operation, least of {} chunks per "
                  "sample; a fresh process per sample; {} "
                  "connections x {} bytes; {} operations; {} (server cpu {}, load cpu {}); seed "
                  "{}; {} rounds and {} to confirm.",
                  compare.at("chunks").get<int>(), compare.at("connections").get<int>(),
                  compare.at("bytes").get<int>(), compare.at("operations").get<std::uint64_t>(),
                  placement.at("name").get<std::string>(), placement.at("server_cpu").get<int>(),
                  placement.at("load_cpu").get<int>(), compare.at("seed").get<std::uint64_t>(),
                  compare.at("rounds").size(), compare.at("confirm_rounds").size()));
}

/// What a family is plotted by: the first of these that its rows have.
std::pair<std::string, std::string> plotted_metric(const BenchmarkRow& row) {
  if (row.values.contains("items_per_second")) return {"items_per_second", "operations per second"};
  if (row.values.contains("bytes_per_second")) return {"bytes_per_second", "bytes per second"};
  return {"real_time_ns", "ns per iteration"};
}

/// The distinct values of one field, in the order of the file.
std::vector<std::string> distinct(const std::vector<BenchmarkRow>& rows,
                                  std::string BenchmarkRow::* field) {
  std::vector<std::string> result;
  for (const BenchmarkRow& row : rows) {
    if (std::ranges::find(result, row.*field) == result.end()) result.push_back(row.*field);
  }
  return result;
}

json benchmark_chart(const std::vector<BenchmarkRow>& rows) {
  const auto [metric, title] = plotted_metric(rows.front());
  const auto params = distinct(rows, &BenchmarkRow::params);
  json sets = json::array();
  for (const std::string& variant : distinct(rows, &BenchmarkRow::variant)) {
    json values = json::array();
    for (const std::string& param : params) {
      const auto row = std::ranges::find_if(rows, [&](const BenchmarkRow& one) {
        return one.params == param && one.variant == variant;
      });
      const bool known = row != rows.end() && row->values.contains(metric);
      values.push_back(known ? json(row->values.at(metric)) : json());
    }
    sets.push_back({{"label", variant.empty() ? "all" : variant},
                    {"data", values},
                    {"backgroundColor", colour_of(variant)}});
  }
  return {
      {"type", "bar"},
      {"data", {{"labels", params}, {"datasets", sets}}},
      {"options", {{"scales", {{"y", {{"beginAtZero", true}, {"title", axis_title(title)}}}}}}}};
}

void add_benchmarks(Page& page, const BenchmarkFile& file) {
  for (const std::string& family : distinct(file.rows, &BenchmarkRow::family)) {
    std::vector<BenchmarkRow> rows;
    std::ranges::copy_if(file.rows, std::back_inserter(rows),
                         [&](const BenchmarkRow& row) { return row.family == family; });
    page.heading("Benchmark " + family);
    page.chart(benchmark_chart(rows));
  }
  page.heading("All benchmark figures");
  page.begin_table({"benchmark", "figures (times in ns, rates per second)"});
  for (const BenchmarkRow& row : file.rows) {
    std::string figures;
    for (const auto& [name, value] : row.values) {
      figures += fmt::format("{}{} {}", figures.empty() ? "" : ", ", name, count_text(value));
    }
    page.row({row.name, figures});
  }
  page.end_table();
}

json bar_chart(const std::vector<std::string>& labels, const std::vector<double>& values,
               const std::string& title) {
  return {{"type", "bar"},
          {"data",
           {{"labels", labels}, {"datasets", {{{"data", values}, {"backgroundColor", kOurs}}}}}},
          {"options",
           {{"plugins", {{"legend", {{"display", false}}}}},
            {"indexAxis", "y"},
            {"scales", {{"x", {{"beginAtZero", true}, {"title", axis_title(title)}}}}}}}};
}

void add_fuzz(Page& page, const std::vector<FuzzRow>& rows) {
  std::vector<std::string> labels;
  std::vector<double> executions;
  page.heading("Fuzzing");
  page.begin_table({"fuzzer", "executions", "seconds", "per second", "corpus units", "edges",
                    "new units", "result"});
  for (const FuzzRow& row : rows) {
    labels.push_back(row.fuzzer);
    executions.push_back(static_cast<double>(row.executions));
    page.row({row.fuzzer, std::to_string(row.executions), fmt::format("{:.1f}", row.seconds),
              count_text(row.executions_per_second), std::to_string(row.corpus_units),
              std::to_string(row.edges), std::to_string(row.new_units),
              row.crashed ? "CRASH: " + row.artifact : "ok"},
             !row.crashed);
  }
  page.end_table();
  page.chart(bar_chart(labels, executions, "executions"));
}

void add_stress(Page& page, const StressResult& stress) {
  page.heading("Stress");
  page.begin_table({});
  page.row({"result", stress.passed ? "PASS" : "FAIL"}, stress.passed);
  page.row({"seed", std::to_string(stress.seed)});
  page.row({"duration", fmt::format("{:.1f} s", stress.duration_s)});
  page.row({"connections completed", std::to_string(stress.connections_completed)});
  for (const std::string& failure : stress.failures) page.row({"failure", failure}, false);
  page.end_table();
  page.chart(bar_chart({"sent", "verified on return"},
                       {double(stress.bytes_sent) / 0x1p20, double(stress.bytes_verified) / 0x1p20},
                       "MiB"));
}

/// One chart per metric, one line per benchmark, over the nights.
void add_history(Page& page, const std::vector<HistoryPoint>& points) {
  std::vector<std::string> nights;
  for (const HistoryPoint& point : points) {
    if (nights.empty() || nights.back() != point.started) nights.push_back(point.started);
  }
  if (nights.size() < 2) return;
  page.heading(fmt::format("History: {} nights on this machine", nights.size()));
  for (const char* metric : {"items_per_second", "executions", "bytes_verified"}) {
    std::map<std::string, json> lines;
    std::string unit;
    for (const HistoryPoint& point : points) {
      if (point.metric != metric) continue;
      lines.try_emplace(point.benchmark, json::array())
          .first->second.push_back({{"x", point.started}, {"y", point.value}});
      unit = point.unit;
    }
    json sets = json::array();
    for (const auto& [name, line] : lines) {
      const int hue = static_cast<int>(sets.size() * 67 % 360);
      sets.push_back({{"label", name},
                      {"data", line},
                      {"borderColor", fmt::format("hsl({}, 65%, 42%)", hue)}});
    }
    if (sets.empty()) continue;
    page.chart(
        {{"type", "line"},
         {"data", {{"labels", nights}, {"datasets", sets}}},
         {"options",
          {{"scales", {{"y", {{"title", axis_title(fmt::format("{} ({})", metric, unit))}}}}}}}});
  }
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char character : text) {
    switch (character) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += character;
    }
  }
  return result;
}

std::string make_report(const ReportData& data) {
  Page page;
  add_summary(page, data);
  add_facts(page, data);
  if (data.inputs.compare) add_compare(page, *data.inputs.compare);
  if (data.inputs.benchmark) add_benchmarks(page, *data.inputs.benchmark);
  if (data.inputs.fuzz) add_fuzz(page, *data.inputs.fuzz);
  if (data.inputs.stress) add_stress(page, *data.inputs.stress);
  add_history(page, data.history);
  return page.html(data);
}

}  // namespace skysock::results
