// skysock-sim: whole lives of a server on the simulated kernel, held against the model after every
// step. Random ones by the ten thousand; one that fails is made small and printed.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/progress_line.hpp"
#include "core/base/unknown_command.hpp"
#include "core/base/whole_number.hpp"
#include "fuzz/sim_runner.hpp"

using namespace skysock::fuzz;

namespace {

enum ExitCode { kPassed = 0, kDifference = 1, kUsage = 2, kNothingRun = 5 };

constexpr const char* kFooter = R"(
A program is text: a line 'world' with five numbers from 0 to 255 that choose tuning and kernel (all
0: a plain one), then an operation a line. Every argument is a number that picks among what there is
at that moment, as id=0 the first socket that the server made; a size=N is N + 1 bytes.
'skysock-sim operations' says what each number means and lists all operations.

  world 0 0 0 0 0
  listen service=0
  poll

exit codes: 0 every program passed; 1 one did not: it is printed (random --all-cells: or a cell was
            not reached); 2 usage, or a file that cannot be read or written, or is no program; 5 the
            time was over before the first program
example: skysock-sim random --seed 7 --out failed.sim || skysock-sim explain failed.sim)";

struct Options {
  std::string file;
  std::uint64_t seed = 1;
  std::uint64_t count = 0;  ///< 0: as many as the time allows, or kCount.
  double seconds = 0;
  std::string json;
  std::string out;
  bool matrix = false;
  bool all_cells = false;
};

constexpr std::uint64_t kCount = 100'000;  // Without a word on count or time.

/// Which programs that asks for.
SimRange range_of(const Options& options) {
  const std::uint64_t otherwise = options.seconds > 0 ? UINT64_MAX : kCount;
  return {.seed = options.seed,
          .count = options.count > 0 ? options.count : otherwise,
          .limit_s = options.seconds};
}

int complain(const std::string& what) {
  fmt::print(stderr, "skysock-sim: {}\n", what);
  return kUsage;
}

std::expected<SimProgram, std::string> read_program(const std::string& path) {
  std::ifstream file(path);
  file.peek();  // A directory can be opened, but not read.
  if (!file.is_open() || file.bad()) {
    return std::unexpected(fmt::format("cannot read '{}'", path));
  }
  file.clear();  // It may be empty.
  std::ostringstream text;
  text << file.rdbuf();
  auto program = parse_program(text.str());
  if (!program) return std::unexpected(fmt::format("'{}': {}", path, program.error()));
  return program;
}

int report(const SimRun& run) {
  if (run.passed) return kPassed;
  fmt::print("{}\n", run.what);
  return kDifference;
}

std::string verdict_of_passed(const SimProgram& program) {
  return fmt::format("passed: {} operations\n", program.operations.size());
}

int run_command(const SimProgram& program) {
  const SimRun run = run_apart(program);
  if (run.passed) fmt::print("{}", verdict_of_passed(program));
  return report(run);
}

/// Prints what happens, step by step, up to the end or the failure.
int explain_command(const SimProgram& program) {
  setenv("SKYSOCK_FUZZ_TRACE", "1", 1);  // NOLINT(concurrency-mt-unsafe): there is one thread.
  const SimRun run = run_apart(program);
  fmt::print("{}", without_reason(run));
  if (run.passed) fmt::print("{}", verdict_of_passed(program));
  return report(run);
}

std::string shrink_text(const SimProgram& program, const std::string& what, SimProgram& small) {
  std::uint64_t tried = 0;
  small = shrunk(program, what, tried);
  return fmt::format("# {}\n# from {} operations to {}, {} programs tried\n{}", what,
                     program.operations.size(), small.operations.size(), tried, text_of(small));
}

int shrink_command(const SimProgram& program) {
  const SimRun run = run_apart(program);
  if (run.passed) {
    fmt::print("passed: there is nothing to shrink\n");
    return kPassed;
  }
  SimProgram small;
  fmt::print("{}", shrink_text(program, run.what, small));
  return kDifference;
}

double per_second(std::uint64_t programs, double seconds) {
  return seconds > 0 ? static_cast<double>(programs) / seconds : 0;
}

std::string progress_text(const SimRange& range, const SimTally& tally) {
  const double rate = per_second(tally.programs, tally.seconds);
  double left = static_cast<double>(range.count - tally.programs) / std::max(rate, 1.0);
  if (range.limit_s > 0) left = std::min(left, range.limit_s - tally.seconds);
  const std::string all = range.count < UINT64_MAX ? fmt::format(" of {}", range.count) : "";
  return fmt::format("{}{} programs, {:.0f}/s, {:.0f} s left", tally.programs, all, rate,
                     std::max(left, 0.0));
}

nlohmann::ordered_json json_of(const Options& options, const SimTally& tally) {
  return {{"seed", options.seed},
          {"programs", tally.programs},
          {"operations", tally.operations},
          {"seconds", tally.seconds},
          {"cpu_seconds", tally.cpu_seconds},
          {"programs_per_second", per_second(tally.programs, tally.seconds)},
          {"programs_per_cpu_second", per_second(tally.programs, tally.cpu_seconds)},
          {"trace", fmt::format("{:016x}", tally.trace)},
          {"cells_possible", SimCells::possible()},
          {"cells_reached", tally.cells.reached()},
          {"faults_possible", SimCells::faults_possible()},
          {"faults_reached", tally.cells.faults_reached()},
          {"passed", tally.passed()}};
}

void print_tally(const Options& options, const SimTally& tally) {
  const auto programs = static_cast<double>(std::max<std::uint64_t>(tally.programs, 1));
  fmt::print(
      "seed {}: {} programs, {:.1f} operations each, {:.1f} s, {:.0f} programs/s ({:.0f} a second "
      "of "
      "CPU), trace {:016x}, {} of {} cells, {} of {} faults\n",
      options.seed, tally.programs, static_cast<double>(tally.operations) / programs, tally.seconds,
      per_second(tally.programs, tally.seconds), per_second(tally.programs, tally.cpu_seconds),
      tally.trace, tally.cells.reached(), SimCells::possible(), tally.cells.faults_reached(),
      SimCells::faults_possible());
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return file.good();
}

int random_command(const Options& options) {
  skysock::ProgressLine progress;
  const SimRange range = range_of(options);
  const SimTally tally = run_random(range, [&](const SimTally& now) {
    if (progress.due()) progress.show(progress_text(range, now));
  });
  progress.clear();
  print_tally(options, tally);
  if (options.matrix) fmt::print("{}", tally.cells.text());
  nlohmann::ordered_json json = json_of(options, tally);
  std::string text;
  if (tally.failed) {
    const SimProgram program = numbered_program(options.seed, *tally.failed);
    const SimRun alone = run_apart(program);
    SimProgram small = program;
    text = alone.passed ? "# it fails only behind the programs before it\n" + text_of(program)
                        : shrink_text(program, alone.what, small);
    fmt::print("program {} of seed {} failed\n{}", *tally.failed, options.seed, text);
    json["failed_program"] = *tally.failed;
    json["failure"] = alone.what;
    json["shrunk_operations"] = small.operations.size();
    json["shrunk_program"] = text_of(small);
  }
  if (!tally.failed_at_end.empty()) {
    fmt::print("every program passed, but not the end of their process: {}\n", tally.failed_at_end);
    json["failure"] = tally.failed_at_end;
  }
  const std::string missing = options.all_cells ? tally.cells.text(true) : "";
  if (!missing.empty()) fmt::print("not reached:\n{}", missing);
  int code = !tally.passed() || !missing.empty() ? kDifference
             : tally.programs == 0               ? kNothingRun
                                                 : kPassed;
  const auto write = [&](const std::string& path, const std::string& what) {
    if (write_file(path, what)) return;
    complain(fmt::format("cannot write '{}'", path));
    if (code != kDifference) code = kUsage;
  };
  if (!options.json.empty()) write(options.json, json.dump(2) + '\n');
  if (!options.out.empty() && tally.failed) write(options.out, text);
  return code;
}

int on_program(const Options& options, int (*command)(const SimProgram&)) {
  const auto program = read_program(options.file);
  return program ? command(*program) : complain(program.error());
}

CLI::Validator whole_number(std::uint64_t least) {
  return CLI::Validator(
      [least](std::string& text) { return skysock::wrong_whole_number(text, least); }, "INTEGER");
}

/// CLI::Range alone lets "nan" through.
CLI::Validator limit_in_seconds() {
  return CLI::Validator(
      [](std::string& text) {
        double value = 0;
        if (CLI::detail::lexical_cast(text, value) && value >= 0 && value <= 1e9)
          return std::string();
        return fmt::format("'{}' is not a number of seconds from 0 to 1e9", text);
      },
      "SECONDS");
}

/// Leaves what is there as it is: nothing, too.
bool can_write(const std::string& path) {
  if (path.empty()) return true;
  std::error_code ignored;
  const bool existed = std::filesystem::exists(path, ignored);
  const bool can = std::ofstream(path, std::ios::app).good();
  if (can && !existed) std::filesystem::remove(path, ignored);
  return can;
}

}  // namespace

/// Many small programs, one after another: what was freed is checked for as long as one of them
/// runs. ASAN_OPTIONS=malloc_context_size=30 gives whole stacks.
extern "C" const char* __asan_default_options() {
  return "malloc_context_size=1:max_malloc_fill_size=0:detect_stack_use_after_return=0:"
         "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}

int main(int argc, char** argv) {
  CLI::App app("Runs whole lives of a socket server on a simulated kernel, beside a model.",
               "skysock-sim");
  app.require_subcommand(1);
  app.footer(kFooter);
  Options options;
  const auto with_file = [&](const char* name, const char* what) {
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("FILE", options.file, "the program")->required();
    return command;
  };
  const CLI::App* run = with_file("run", "run a program");
  const CLI::App* shrink = with_file("shrink", "leave out what is not needed for it to fail");
  const CLI::App* explain = with_file("explain", "run it and print every event and step");
  const CLI::App* operations =
      app.add_subcommand("operations", "list all operations, and what their numbers mean");
  CLI::App* random = app.add_subcommand("random", "run random programs; shrink one that fails");
  random->add_option("--seed", options.seed, "of all of them")
      ->check(whole_number(0))
      ->capture_default_str();
  random->add_option("--count", options.count, "how many (default: 100000; with --seconds, any)")
      ->check(whole_number(1));
  random->add_option("--seconds", options.seconds, "stop after this long; 0: do not")
      ->check(limit_in_seconds());
  random->add_option("--json", options.json, "write the result to this file")->type_name("FILE");
  random->add_option("--out", options.out, "write a failed program, shrunk, to this file")
      ->type_name("FILE");
  random->add_flag("--matrix", options.matrix,
                   "print how often each cell of the table was reached");
  random->add_flag("--all-cells", options.all_cells, "fail, and name them, when some were not");
  if (const auto wrong = skysock::unknown_command(app, argc, argv); !wrong.empty()) {
    return complain(wrong + "\nRun with --help for more information.");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kPassed : kUsage;
  }
  for (const std::string& path : {options.json, options.out}) {
    if (!can_write(path)) return complain(fmt::format("cannot write '{}'", path));
  }
  if (run->parsed()) return on_program(options, run_command);
  if (shrink->parsed()) return on_program(options, shrink_command);
  if (explain->parsed()) return on_program(options, explain_command);
  if (operations->parsed()) {
    fmt::print("{}\nOperations:\n{}\nYield points, where threads stop:\n{}", program_help(),
               operations_help(), yield_points_help());
    return kPassed;
  }
  return random_command(options);
}
