// The command lines of `skysock-perf import`, `report` and `summary`: all start from the harnesses'
// JSON files.

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "results/commands.hpp"
#include "results/history.hpp"
#include "results/inputs.hpp"
#include "results/report.hpp"
#include "results/summary.hpp"

namespace skysock::results {
namespace {

struct Arguments {
  InputPaths inputs;
  std::string db;
  std::string kind = "nightly";
  std::string out;
  std::string chart_js = SKYSOCK_CHART_JS;
  std::string json;
};

void add_input_options(CLI::App& command, InputPaths& paths, bool with_compare) {
  command.add_option("--benchmark", paths.benchmark, "Google Benchmark JSON");
  command.add_option("--stress", paths.stress, "JSON result of skysock-stress");
  command.add_option("--fuzz", paths.fuzz, "JSON array of fuzzer results");
  if (with_compare)
    command.add_option("--compare", paths.compare, "JSON file of skysock-perf compare");
}

Outcome<Inputs> read_some_inputs(const InputPaths& paths) {
  if (paths.benchmark.empty() && paths.stress.empty() && paths.fuzz.empty() &&
      paths.compare.empty()) {
    return problem(kUsage, "expected at least one input file, see --help");
  }
  return read_inputs(paths);
}

/// Writes to a neighbour first: a page that exists is whole.
Outcome<void> write_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  std::error_code error;
  std::ofstream file(part, std::ios::binary);
  file << text;
  file.close();
  if (file) std::filesystem::rename(part, path, error);
  if (!file || error) return problem(kNothingMeasured, fmt::format("cannot write '{}'", path));
  return {};
}

Outcome<int> run_import(const Arguments& arguments) {
  auto inputs = read_some_inputs(arguments.inputs);
  if (!inputs) return std::unexpected(inputs.error());
  History history(arguments.db);
  fmt::print("recorded as run {} ({}) in {}\n", history.record(*inputs, arguments.kind),
             arguments.kind, arguments.db);
  return kPass;
}

Outcome<int> run_report(const Arguments& arguments) {
  auto inputs = read_some_inputs(arguments.inputs);
  if (!inputs) return std::unexpected(inputs.error());
  std::ifstream script(arguments.chart_js, std::ios::binary);
  std::stringstream text;
  if (!script || !(text << script.rdbuf())) {
    return problem(
        kNothingMeasured,
        fmt::format("cannot read Chart.js at '{}': expected chart.min.js of the Debian package "
                    "libjs-chart.js, or --chart-js FILE",
                    arguments.chart_js));
  }
  ReportData data{std::move(*inputs), read_machine_facts(), {}, now_utc(), text.str()};
  if (!arguments.db.empty()) data.history = History(arguments.db).points("nightly");
  if (auto written = write_file(arguments.out, make_report(data)); !written)
    return std::unexpected(written.error());
  fmt::print("report: {}\n", arguments.out);
  return kPass;
}

nlohmann::json summary_json(const std::vector<SummaryRow>& rows,
                            const std::vector<std::string>& missing) {
  nlohmann::json json{{"rows", nlohmann::json::array()}, {"missing", missing}};
  for (const SummaryRow& row : rows)
    json["rows"].push_back({{"what", row.what}, {"value", row.value}, {"good", row.good}});
  return json;
}

Outcome<int> run_summary(const Arguments& arguments) {
  auto inputs = read_some_inputs(arguments.inputs);
  if (!inputs) return std::unexpected(inputs.error());
  const auto rows = summarise(*inputs);
  const auto missing = missing_parts(*inputs);
  fmt::print("{}", format_table(rows));
  for (const std::string& text : missing) fmt::print("! {}\n", text);
  if (!arguments.json.empty()) {
    auto written = write_file(arguments.json, summary_json(rows, missing).dump(1) + "\n");
    if (!written) return std::unexpected(written.error());
  }
  return summary_exit_code(*inputs);
}

void on_chosen(CLI::App* command, const std::shared_ptr<Arguments>& arguments,
               Outcome<int> (*run)(const Arguments&), int* exit_code) {
  const std::string name = command->get_name();
  command->callback([arguments, run, name, exit_code] {
    auto outcome = run(*arguments);
    if (!outcome) fmt::print(stderr, "skysock-perf {}: {}\n", name, outcome.error().text);
    *exit_code = outcome ? *outcome : static_cast<int>(outcome.error().code);
  });
}

}  // namespace

void add_import_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("import", "add the results of one night to the SQLite history");
  command->add_option("--db", arguments->db, "SQLite history; made when it does not exist")
      ->required();
  command->add_option("--kind", arguments->kind, "kind of run")
      ->check(CLI::IsMember({"nightly", "selftest"}))
      ->capture_default_str();
  add_input_options(*command, arguments->inputs, false);
  command->footer(
      "Exit codes: 0 recorded; 2 usage; 5 a file is missing, wrong or tells of no work.");
  on_chosen(command, arguments, run_import, exit_code);
}

void add_report_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("report", "write one self-contained HTML page");
  command->add_option("--out", arguments->out, "the page")->required();
  command->add_option("--db", arguments->db, "SQLite history, for the plots over nights");
  command->add_option("--chart-js", arguments->chart_js, "Chart.js to put into the page")
      ->capture_default_str();
  add_input_options(*command, arguments->inputs, true);
  command->footer(
      "Exit codes: 0 written; 2 usage; 5 a file is missing, wrong or tells of no work.");
  on_chosen(command, arguments, run_report, exit_code);
}

void add_summary_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("summary", "print the short table of a night");
  add_input_options(*command, arguments->inputs, true);
  command->add_option("--json", arguments->json, "write the table to this file, too");
  command->footer(
      "Every file that is named is expected to be there and to tell of work.\n"
      "Exit codes: 0 all there; 1 a crash or a failure was found; 2 usage; 5 a part is missing or "
      "did no work. A "
      "regression is\n"
      "shown and leaves the exit code alone: compare has given it already.");
  on_chosen(command, arguments, run_summary, exit_code);
}

}  // namespace skysock::results
