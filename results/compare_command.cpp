// The command line of `skysock-perf compare`: from options to two sides, and from a record to files
// and exit code.

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <memory>
#include <random>

#include "core/base/progress_line.hpp"
#include "results/child.hpp"
#include "results/commands.hpp"
#include "results/compare.hpp"
#include "results/history.hpp"

namespace skysock::results {
namespace {

struct Arguments {
  std::string a, b;
  std::string tuning_a, tuning_b;
  std::string build_a, build_b;
  std::string placement = "cross-cpu";
  std::size_t connections = 64;
  std::size_t bytes = 64;
  std::uint64_t operations = 0;  ///< 0: calibrate.
  std::size_t rounds_max = 128;
  double budget_s = 120;
  double start_timeout_s = 10;
  std::uint64_t seed = 0;  ///< 0: take one.
  std::string db, json;
  bool aa = false;
  bool strict = false;
};

Outcome<Side> make_side(std::string name, std::vector<std::string> argv) {
  auto build = read_build_facts(argv.front());
  if (!build) return std::unexpected(build.error());
  return Side{std::move(name), std::move(argv), std::move(*build)};
}

/// "NAME=COMMAND"
Outcome<Side> parse_side(const std::string& text) {
  const auto equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (equals == std::string::npos || name.empty() ||
      name.find_first_of(" \t/") != std::string::npos) {
    return problem(
        kUsage,
        fmt::format("'{}': expected NAME=COMMAND, as in 'base=build/bench/bin/skysock ...'", text));
  }
  auto argv = split_command(text.substr(equals + 1));
  if (!argv) return std::unexpected(argv.error());
  return make_side(name, std::move(*argv));
}

/// The echo example on the skysock program of `folder` (empty: our own), with `tuning` (may be
/// empty).
Outcome<Side> echo_side(const std::string& letter, const std::string& folder,
                        const std::string& tuning) {
  std::vector<std::string> argv = {(folder.empty() ? own_folder() : folder) + "/skysock"};
  if (!tuning.empty()) argv.insert(argv.end(), {"--tuning", tuning});
  argv.insert(argv.end(), {SKYSOCK_SOURCE_DIR "/lua/examples/echo.lua", "127.0.0.1", "0"});
  const std::string name = tuning.empty() ? "default" : tuning;
  return make_side(folder.empty() ? name : letter + ":" + name, std::move(argv));
}

/// What skysock itself says against the arguments of a side from echo_side(), before anything is
/// measured. Another mistake shows when it is measured.
Outcome<void> try_echo_side(const std::string& letter, const Side& side,
                            std::chrono::milliseconds timeout) {
  constexpr int kItsUsage = 2;
  constexpr std::string_view kPrefix = "skysock: error: ";
  auto child = Child::spawn(side.argv);
  if (!child) return std::unexpected(child.error());
  if (child->read_line(timeout) || child->wait(std::chrono::seconds(1)) != kItsUsage) return {};
  const std::string errors = child->error_output();
  std::string line = errors.substr(0, errors.find('\n'));
  if (line.starts_with(kPrefix)) line.erase(0, kPrefix.size());
  return problem(kUsage, fmt::format("side {}: {}", letter, line));
}

Outcome<std::pair<Side, Side>> make_sides(const Arguments& arguments) {
  const bool commands = !arguments.a.empty() || !arguments.b.empty();
  const bool shorthand = !arguments.tuning_a.empty() || !arguments.tuning_b.empty() ||
                         !arguments.build_a.empty() || !arguments.build_b.empty();
  if (commands == shorthand || (commands && (arguments.a.empty() || arguments.b.empty()))) {
    return problem(
        kUsage, "expected either --a and --b, or at least one of --tuning-a/-b and --build-a/-b");
  }
  auto a =
      commands ? parse_side(arguments.a) : echo_side("A", arguments.build_a, arguments.tuning_a);
  if (!a) return std::unexpected(a.error());
  auto b =
      commands ? parse_side(arguments.b) : echo_side("B", arguments.build_b, arguments.tuning_b);
  if (!b) return std::unexpected(b.error());
  const auto timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(arguments.start_timeout_s * 1000));
  for (const auto& [letter, side] : {std::pair("A", &*a), std::pair("B", &*b)}) {
    if (commands) break;
    if (auto tried = try_echo_side(letter, *side, timeout); !tried)
      return std::unexpected(tried.error());
  }
  return std::pair{std::move(*a), std::move(*b)};
}

Outcome<CompareOptions> make_options(const Arguments& arguments) {
  if (arguments.rounds_max < 2 || arguments.rounds_max > kLooks.back() ||
      arguments.rounds_max % 2 != 0) {
    return problem(kUsage, fmt::format("--rounds-max {}: expected an even number from 2 to {}",
                                       arguments.rounds_max, kLooks.back()));
  }
  auto sides = make_sides(arguments);
  if (!sides) return std::unexpected(sides.error());
  auto placement = choose_placement(arguments.placement);
  if (!placement) return std::unexpected(placement.error());
  CompareOptions options;
  options.a = std::move(sides->first);
  options.b = std::move(sides->second);
  options.aa = arguments.aa;
  options.placement = *placement;
  options.rounds_max = arguments.rounds_max;
  options.budget = std::chrono::milliseconds(static_cast<std::int64_t>(arguments.budget_s * 1000));
  options.seed = arguments.seed != 0 ? arguments.seed : std::random_device()();
  options.workload.connections = arguments.connections;
  options.workload.bytes = arguments.bytes;
  options.workload.operations = arguments.operations;
  options.workload.seed = options.seed;
  options.workload.start_timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(arguments.start_timeout_s * 1000));
  if (options.workload.operations != 0 && options.workload.operations < options.workload.chunks) {
    return problem(kUsage, fmt::format("--operations {}: expected at least {}, or 0",
                                       arguments.operations, options.workload.chunks));
  }
  if (options.aa && !is_identical(options.a, options.b)) {
    return problem(
        kUsage,
        "--aa measures a server against itself: expected the same binary and arguments twice");
  }
  return options;
}

/// Before the measurement: its result must not be lost. What is in the file stays.
Outcome<void> check_writable(const std::string& path) {
  errno = 0;
  if (path.empty() || std::ofstream(path, std::ios::app)) return {};
  return problem(kUsage,
                 fmt::format("--json '{}': cannot write: {}", path, load::errno_text(errno)));
}

/// CLI::PositiveNumber alone says "less or equal" of 0, and lets "nan" through.
CLI::Validator seconds_up_to(double max) {
  return CLI::Validator(
      [max](std::string& text) {
        double value = 0;
        if (!CLI::detail::lexical_cast(text, value) || !(value >= 0.1 && value <= max)) {
          return fmt::format("'{}' is not a number of seconds from 0.1 to {:.0f}", text, max);
        }
        return std::string();
      },
      "SECONDS");
}

std::string progress_text(const Progress& progress) {
  return fmt::format(
      "{}: round {} of at most {}, CPU B/A {:.3f} so far, {:.0f} s, at most {:.0f} s left",
      progress.phase, progress.rounds, progress.rounds_max, progress.ratio, progress.seconds,
      progress.seconds_left_max);
}

Outcome<CompareRecord> measure(CompareOptions options) {
  if (auto pinned = pin_to(options.placement.load_cpu); !pinned)
    return std::unexpected(pinned.error());
  const auto start = std::chrono::steady_clock::now();
  if (options.workload.operations == 0) {
    auto operations = calibrate(options.a.argv, options.placement, options.workload);
    if (!operations) return std::unexpected(operations.error());
    options.workload.operations = *operations;
  }
  options.budget -= std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  ProgressLine line;
  const auto take = [&](const Side& side, const Workload& workload) {
    return take_sample(side.argv, options.placement, workload);
  };
  auto record = compare(options, take, [&line](const Progress& progress) {
    if (line.due()) line.show(progress_text(progress));
  });
  line.clear();
  if (record && record->rounds.empty()) {
    return problem(kNothingMeasured, "the budget was used up before the first round");
  }
  return record;
}

CompareRecord identical_record(const CompareOptions& options) {
  CompareRecord record;
  record.started = now_utc();
  record.options = options;
  record.machine = read_machine_facts();
  record.identical = true;
  return record;
}

Outcome<int> run(const Arguments& arguments) {
  auto options = make_options(arguments);
  if (!options) return std::unexpected(options.error());
  if (auto writable = check_writable(arguments.json); !writable)
    return std::unexpected(writable.error());
  std::unique_ptr<History> history;
  if (!arguments.db.empty()) {
    history = std::make_unique<History>(arguments.db);
    options->margin = margin_from(history->aa_medians(*options, read_machine_facts()));
  }
  const bool skip = !options->aa && is_identical(options->a, options->b);
  auto record = skip ? Outcome<CompareRecord>(identical_record(*options)) : measure(*options);
  if (!record) return std::unexpected(record.error());
  fmt::print("{}", describe(*record));
  if (history && !skip)
    fmt::print("  recorded as run {} in {}\n", history->record(*record), arguments.db);
  if (!arguments.json.empty() &&
      !(std::ofstream(arguments.json) << to_json(*record).dump(1) << '\n')) {
    return problem(kNothingMeasured, fmt::format("cannot write '{}'", arguments.json));
  }
  return exit_code_of(*record, arguments.strict);
}

void add_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--a", arguments.a,
                     "variant A as NAME=COMMAND; the command prints 'listening on HOST:PORT'");
  command.add_option("--b", arguments.b, "variant B, likewise");
  command.add_option("--tuning-a", arguments.tuning_a,
                     "instead: tuning K=V,... of the Lua echo server for A");
  command.add_option("--tuning-b", arguments.tuning_b, "and for B");
  command.add_option("--build-a", arguments.build_a,
                     "folder with A's skysock program (default: beside this one)");
  command.add_option("--build-b", arguments.build_b, "and B's");
  command.add_option("--connections", arguments.connections, "parallel connections")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command.add_option("--bytes", arguments.bytes, "bytes per message")
      ->check(CLI::Range(1, 16 << 20))
      ->capture_default_str();
  command
      .add_option("--operations", arguments.operations,
                  "messages per sample; 0 finds what takes A about 80 ms")
      ->capture_default_str();
  command.add_option("--placement", arguments.placement, "same-cpu or cross-cpu")
      ->capture_default_str();
  command
      .add_option("--rounds-max", arguments.rounds_max,
                  "even; verdicts are given at 16, 32, 64 and 128 rounds")
      ->capture_default_str();
  command
      .add_option(
          "--budget", arguments.budget_s,
          "bound in seconds for all of it: 60 % at most go to the first run, the rest to the "
          "run that confirms a difference; who is sure ends earlier")
      ->check(seconds_up_to(7.0 * 24 * 3600))
      ->capture_default_str();
  command
      .add_option("--start-timeout", arguments.start_timeout_s,
                  "seconds a server may take to print its line")
      ->check(seconds_up_to(3600))
      ->capture_default_str();
  command.add_option("--seed", arguments.seed,
                     "of order and bytes; 0 takes a new one and prints it");
  command.add_option("--db", arguments.db,
                     "SQLite history: read the margin from it, add this run to it");
  command.add_option("--json", arguments.json, "write all samples and the verdict to this file");
  command.add_flag("--aa", arguments.aa,
                   "measure although both sides are the same: the false-alarm check");
  command.add_flag("--strict", arguments.strict,
                   "exit 4 when unresolved, or when an A/A run alarms");
}

}  // namespace

void add_compare_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "compare", "run two variants of a server in alternation; say which costs more");
  command->footer(
      "B/A is the median of the ratios of pairs: each round measures A and B one after the other "
      "and\n"
      "gives one ratio. It is not the quotient of the two medians that are printed beside it; the\n"
      "machine's drift from round to round is in those, and not in the pairs.\n"
      "Exit codes: 0 EQUIVALENT, IMPROVED, identical, or unresolved; 1 REGRESSED and confirmed; 2 "
      "usage;\n"
      "4 (--strict) unresolved, or an A/A run that alarms; 5 a server died, hung or echoed wrong "
      "bytes.\n"
      "Example: skysock-perf compare --tuning-a max_events=16 --tuning-b max_events=512");
  add_options(*command, *arguments);
  command->callback([arguments, exit_code] {
    auto outcome = run(*arguments);
    if (!outcome) fmt::print(stderr, "skysock-perf compare: {}\n", outcome.error().text);
    *exit_code = outcome ? *outcome : static_cast<int>(outcome.error().code);
  });
}

}  // namespace skysock::results
