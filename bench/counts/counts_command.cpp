// skysock-bench --counts: what does each path cost in system calls, allocations and instructions,
// and is that what it cost before? Leaves out time.

#include "bench/counts/counts_command.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/counts/comparison.hpp"
#include "bench/counts/counting.hpp"
#include "bench/counts/scenario.hpp"
#include "bench/exit_code.hpp"
#include "bench/facts.hpp"
#include "bench/run_record.hpp"
#include "bench/settings.hpp"

namespace skysock::bench::counts {
namespace {

struct CountsOptions {
  bool command = false;
  bool instructions = false;
  std::string scenario_names;
  std::string json;
  std::string check;
  std::string update;
  std::string reason;
  std::vector<std::string> names;  ///< Chosen; all when empty.
};

constexpr const char* kCountsProcedure =
    R"(
Each scenario is one thread's worth of work: client and server (workers=0) take turns on one CPU, so
that every run takes the same steps. What the server does is counted in the process itself: each
system call by name, each allocation (malloc and all that ends there, Lua's too). Every scenario
runs twice; both must agree. --instructions adds two runs under callgrind (about a minute; not over
io_uring, which valgrind cannot wait in).

--check: system calls and allocations must be the file's; instructions within 0.1 % (Lua: 2 %, for
its hashes have a seed), and only where compiler, flags, libraries and valgrind are the file's.

Exit codes: 0 as expected; 1 a scenario failed or its two runs differ, or a file cannot be used; 2
wrong command line; 3 a metric is not the baseline's: a line names it, old and new; 5 a scenario is
in the baseline or in the program only; 6 cannot run here: this build is instrumented, or valgrind
is missing.

Example: skysock-bench --counts --instructions --check results/baseline.json
)";

std::string scenario_list() {
  std::string text = "Scenarios:\n";
  for (const Scenario& scenario : scenarios()) {
    text += fmt::format("  {:<25} {}\n", scenario.name, scenario.question);
  }
  return text;
}

void add_options(CLI::App& app, CountsOptions& options) {
  app.add_flag("--counts", options.command, "this command");
  app.add_option("--scenario", options.scenario_names, "only these; default: all")
      ->type_name("NAME[,NAME...]");
  app.add_flag("--instructions", options.instructions, "count instructions, too");
  app.add_option("--json", options.json, "write what was counted to this file")->type_name("FILE");
  auto* check =
      app.add_option("--check", options.check, "compare with this file")->type_name("FILE");
  auto* reason = app.add_option("--reason", options.reason, "why the baseline changes");
  auto* update = app.add_option("--update", options.update,
                                "make this file the baseline; implies --instructions")
                     ->type_name("FILE");
  update->needs(reason)->excludes(check);
  reason->needs(update);
  app.footer(scenario_list() + kCountsProcedure);
}

int fail(int code, const std::string& problem) {
  fmt::print(stderr, "counts: {}\n", problem);
  return code;
}

/// Checks the words; the exit code when they are wrong, else -1.
int prepare(CountsOptions& options) {
  const auto names = options.scenario_names.empty()
                         ? std::vector<std::string>()
                         : CLI::detail::split(options.scenario_names, ',');
  for (const std::string& name : names) {
    if (find_scenario(name) == nullptr) {
      return fail(kUsage, fmt::format("scenario '{}': expected one that --help lists", name));
    }
    options.names.push_back(name);
  }
  if (options.update.empty()) return -1;
  if (!options.names.empty()) return fail(kUsage, "--update records all: expected no --scenario");
  if (options.reason.empty()) return fail(kUsage, "--reason '': expected a sentence");
  options.instructions = true;
  return -1;
}

/// The processor too: valgrind shows a program the instruction sets of the real one.
void add_fingerprint(Record& record) {
  for (const auto& [name, value] : facts()) {
    if (name == "compiler" || name == "flags" || name == "cpu") record.fingerprint[name] = value;
  }
}

std::expected<Counted, CountingFailure> count(const CountsOptions& options) {
  auto counted = count_twice(options.names);
  if (!counted) return counted;
  add_fingerprint(counted->record);
  if (!options.instructions) return counted;
  std::vector<std::string> names;
  for (const auto& [scenario, metrics] : counted->record.scenarios) {
    if (find_scenario(scenario)->poller != PollerKind::io_uring) names.push_back(scenario);
  }
  if (names.empty()) return counted;
  const auto instructions = instructions_twice(names);
  if (!instructions) return instructions;
  counted->record.fingerprint["valgrind"] = instructions->record.fingerprint.at("valgrind");
  for (const auto& [scenario, metrics] : instructions->record.scenarios) {
    counted->record.scenarios[scenario].insert(metrics.begin(), metrics.end());
  }
  return counted;
}

void print_table(const Record& record) {
  fmt::print("{:<25} {:>12} {:>6} {:>9}  system calls, all per operation\n", "scenario",
             "instructions", "allocs", "bytes");
  for (const auto& [scenario, metrics] : record.scenarios) {
    const auto instructions = metrics.find(kInstructions);
    std::vector<std::string> calls;
    for (const auto& [name, value] : metrics) {
      if (name.starts_with(kCallPrefix)) {
        calls.push_back(
            fmt::format("{} {:.4g}", name.substr(std::string_view(kCallPrefix).size()), value));
      }
    }
    fmt::print("{:<25} {:>12} {:>6.4g} {:>9.6g}  {}\n", scenario,
               instructions == metrics.end() ? "-" : fmt::format("{:.1f}", instructions->second),
               metrics.at(kAllocations), metrics.at(kBytes), fmt::join(calls, ", "));
  }
}

/// The part of a baseline that a choice of scenarios can be compared with.
Record chosen_part(Record baseline, const std::vector<std::string>& names) {
  if (names.empty()) return baseline;
  std::erase_if(baseline.scenarios, [&](const auto& one) {
    return std::ranges::find(names, one.first) == names.end();
  });
  return baseline;
}

int check(const CountsOptions& options, const Counted& counted, const Record& baseline) {
  const Comparison found =
      compare(chosen_part(baseline, options.names), counted.record, counted.left_out);
  for (const std::string& note : found.notes) fmt::print("counts: {}\n", note);
  for (const std::string& line : found.differences) fmt::print(stderr, "counts: {}\n", line);
  for (const std::string& line : found.missing) fmt::print(stderr, "counts: {}\n", line);
  if (!found.differences.empty() || !found.missing.empty()) {
    fmt::print(stderr, "counts: when that is meant: --update {} --reason TEXT\n", options.check);
  }
  if (!found.missing.empty()) return kMissing;
  if (!found.differences.empty()) return kChanged;
  fmt::print("counts: {} scenarios as in {}\n", counted.record.scenarios.size(), options.check);
  return kPassed;
}

int run(const CountsOptions& options) {
  Record baseline;
  if (!options.check.empty()) {
    auto read = read_record(options.check);
    if (!read) return fail(kFailed, "--check " + read.error());
    baseline = std::move(*read);
  }
  auto counted = count(options);
  if (!counted) return fail(counted.error().exit_code, counted.error().text);
  print_table(counted->record);
  for (const std::string& name : counted->left_out) {
    fmt::print("counts: {}: left out: this kernel has no io_uring\n", name);
  }
  if (!options.update.empty() && !counted->left_out.empty()) {
    return fail(kCannotRun,
                fmt::format("--update '{}': a baseline has every scenario, and {} cannot "
                            "run here",
                            options.update, counted->left_out.size()));
  }
  counted->record.reason = options.reason;
  for (const auto& [flag, path] :
       {std::pair{"--json", options.json}, {"--update", options.update}}) {
    nlohmann::ordered_json file = new_record("counts");
    file["facts"].erase("tuning");  // Each scenario has its own.
    add_record(counted->record, file);
    if (auto kept = keep_record(std::move(file), path, flag); !kept) {
      return fail(kFailed, kept.error());
    }
  }
  return options.check.empty() ? kPassed : check(options, *counted, baseline);
}

}  // namespace

int counts_command(int argc, char** argv) {
  CLI::App app("Counts system calls, allocations and instructions of stepped scenarios, exactly.",
               "skysock-bench --counts");
  CountsOptions options;
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kPassed : kUsage;
  }
  if (const int code = prepare(options); code >= 0) return code;
  settings() = {.placement = place("same-cpu").value_or(Placement{.name = "free"}),
                .source_dir = SKYSOCK_SOURCE_DIR};
  return run(options);
}

}  // namespace skysock::bench::counts
