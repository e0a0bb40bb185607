// The program skysock-bench: Google Benchmark with a command line that a stranger can work from,
// the facts of the run in its output, and an exit code that no failed or missing benchmark escapes.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/compare/commands.hpp"
#include "bench/exit_code.hpp"
#include "bench/facts.hpp"
#include "bench/harness.hpp"
#include "bench/list_command.hpp"
#include "bench/settings.hpp"
#include "core/net/tuning.hpp"

using namespace skysock;
using namespace skysock::bench;

namespace {

constexpr const char* kFooter =
    R"(All options of Google Benchmark 1.7.1 are accepted too; the most useful ones:
  --benchmark_filter=REGEX       run (or list) what matches; a leading '-': what does not match
  --benchmark_min_time=SECONDS   timed seconds per benchmark (a number without 's'; default 0.3)
  --benchmark_repetitions=N      run each N times and report mean, median and deviation
  --benchmark_list_tests=true    print the full name of every benchmark and end
  --benchmark_format=console|json|csv
  --benchmark_out=FILE --benchmark_out_format=json|csv|console

The servers are processes of their own: raw_epoll_server and skysock (--native, and with
lua/examples/echo.lua), from the folder of this program. Every answer is checked.

Exit codes: 0 every benchmark ran and every answer was right; 1 a benchmark failed (its line says
why); 2 wrong command line; 5 no benchmark matches the filter.

Example: skysock-bench --benchmark_filter=BM_Accept --json accept.json)";

struct Options {
  bool list = false;
  bool full = false;
  std::string placement = "cross-cpu";
  std::string json;
  std::string tuning;
  std::string source_dir = SKYSOCK_SOURCE_DIR;
};

std::string command_help() {
  std::string text = "Commands with options of their own; add --help to each:\n";
  for (const compare::Command& command : compare::commands()) {
    text += fmt::format("  {:<18} {}\n", command.flag, command.question);
  }
  return text + "\n";
}

void add_options(CLI::App& app, Options& options) {
  app.add_flag(
      "--list", options.list,
      "print every family of benchmarks, scenario and command with its question, and end;\n"
      "with --json as JSON, too");
  app.add_flag("--full", options.full,
               "every size and number of connections, pending things and threads, not a selection");
  app.add_option("--placement", options.placement,
                 "same-cpu: server and load share a CPU; cross-cpu: one each; free: anywhere")
      ->capture_default_str();
  app.add_option("--json", options.json, "write the results to this file as JSON");
  app.add_option("--tuning", options.tuning,
                 "key=value,... for the skysock servers (not raw_epoll)\n" + tuning_help());
  app.add_option("--source-dir", options.source_dir, "where lua/examples/echo.lua is found")
      ->capture_default_str();
  app.footer(command_help() + kFooter);
  app.allow_extras();
}

int usage(const std::string& problem) {
  fmt::print(stderr, "skysock-bench: {}\nRun with --help for more information.\n", problem);
  return kUsage;
}

/// What Google Benchmark is to see: our defaults first, so that the user's own words win.
std::vector<std::string> library_arguments(const CLI::App& app, const Options& options) {
  std::vector<std::string> words = {"skysock-bench", "--benchmark_min_time=0.3",
                                    "--benchmark_counters_tabular=true"};
  if (options.list) words.emplace_back("--benchmark_list_tests=true");
  if (!options.json.empty() && !options.list) {
    words.push_back("--benchmark_out=" + options.json);
    words.emplace_back("--benchmark_out_format=json");
  }
  const std::vector<std::string> rest = app.remaining();
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

/// Hands the words over; false when one is not Google Benchmark's either (it has said so).
bool initialize_library(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int count = static_cast<int>(words.size());
  benchmark::Initialize(&count, pointers.data());
  return !benchmark::ReportUnrecognizedArguments(count, pointers.data());
}

/// In the order of --list and of a run.
void register_all() {
  register_accept();
  register_forward_message();
  register_echo();
  register_control_channel();
  register_control_packet();
  register_dispatch();
  register_slot_table();
  register_write_queue();
  register_resolver();
  register_forward_call();
  register_service();
  register_mailbox();
  register_hand_off();
  register_timer();
  register_seam();
  register_lua();
}

/// Google Benchmark writes its context before it runs anything; how noisy the run was belongs
/// there.
bool complete_context(const std::string& path) {
  std::ifstream in(path);
  auto results = nlohmann::ordered_json::parse(in, nullptr, false);
  if (!results.is_object()) return false;
  add_noise(results["context"]);
  std::ofstream out(path);
  out << results.dump(2) << '\n';
  out.close();
  return static_cast<bool>(out);
}

int run_all(const std::string& json) {
  const std::size_t matched = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  say_if_busy();
  if (matched == 0) return kMeasuredNothing;
  if (!json.empty() && !complete_context(json)) {
    fmt::print(stderr, "skysock-bench: --json '{}': cannot complete the record\n", json);
    return kFailed;
  }
  if (failures() == 0) return kPassed;
  fmt::print(stderr, "skysock-bench: {} benchmark run(s) failed\n", failures());
  return kFailed;
}

int list_or_run(const Options& options) {
  register_all();
  const int code = options.list ? list_command(options.json) : run_all(options.json);
  if (code == kMeasuredNothing) {
    fmt::print(stderr, "skysock-bench: no benchmark matches the filter; --list shows all\n");
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  quiet_watch();
  if (const auto code = compare::run_command(argc, argv)) return *code;
  CLI::App app("Measures skysock's servers beside a plain epoll server, over loopback sockets.",
               "skysock-bench");
  Options options;
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kPassed : kUsage;
  }
  const auto placement = place(options.placement);
  if (!placement) return usage(placement.error());
  if (const auto tuning = parse_tuning(options.tuning); !tuning) return usage(tuning.error());
  std::vector<std::string> words = library_arguments(app, options);
  if (!initialize_library(words)) return kUsage;
  if (const auto writable = check_json_file(options.json); !writable) {
    return usage(writable.error());
  }

  settings() = {.placement = *placement,
                .programs = own_folder(),
                .source_dir = options.source_dir,
                .tuning = options.tuning,
                .full = options.full};
  if (const auto pinned = pin_load(*placement); !pinned) return usage(pinned.error());
  add_context();
  return list_or_run(options);
}
