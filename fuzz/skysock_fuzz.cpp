// skysock-fuzz: runs the libFuzzer programs beside this executable for a time budget and says what
// they found, how much they did, and whether they can find anything at all (canary).

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "core/base/progress_line.hpp"
#include "core/base/unknown_command.hpp"
#include "fuzz/fuzz_process.hpp"

namespace {

namespace fs = std::filesystem;
using skysock::fuzz::FuzzProcess;

constexpr int kFound = 1;
constexpr int kUsage = 2;
constexpr int kNothingRan = 5;
constexpr int kGraceSeconds = 60;  // A run that is so much over its budget hangs.
constexpr std::size_t kTailLines = 60;
constexpr bool kHasEngine = SKYSOCK_HAS_ENGINE != 0;

constexpr const char* kFooter =
    "exit codes: 0 ok; 1 a crash was found (canary: was not found); 2 usage;\n"
    "            5 a fuzzer is missing or executed nothing (wrong preset? only `fuzz` has an "
    "engine)\n"
    "example: skysock-fuzz run --fuzzer control_stream --seconds 60 --json fuzz.json";

struct Options {
  std::vector<std::string> fuzzers = {"control_packet", "control_stream", "netpack", "seri",
                                      "unpack"};
  int seconds = 10;
  std::size_t jobs = 2;
  std::uint32_t seed = 1;
  fs::path extra_corpus;
  fs::path keep_corpus;
  fs::path json;
  fs::path artifacts = fs::current_path() / "fuzz-artifacts";
  fs::path source = SKYSOCK_SOURCE_DIR;
};

/// A directory that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = fs::temp_directory_path() / "skysock-fuzz-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

fs::path program_of(const std::string& fuzzer) {
  return fs::read_symlink("/proc/self/exe").parent_path() / (fuzzer + "_fuzzer");
}

struct Run {
  std::string fuzzer;
  std::unique_ptr<FuzzProcess> process;
  std::string result = "ok";
};

/// The engine writes new units to its first directory and only reads the others.
std::vector<std::string> command_of(const Options& options, const std::string& fuzzer,
                                    const fs::path& work, std::uint32_t seed) {
  const fs::path units = options.keep_corpus.empty() ? work / fuzzer : options.keep_corpus / fuzzer;
  fs::create_directories(units);
  fs::create_directories(options.artifacts);
  std::vector<std::string> command = {
      program_of(fuzzer),
      fmt::format("-max_total_time={}", options.seconds),
      "-print_final_stats=1",
      "-timeout=20",
      fmt::format("-seed={}", seed),
      fmt::format("-artifact_prefix={}/{}-", fs::absolute(options.artifacts).string(), fuzzer)};
  const fs::path dictionary = options.source / "fuzz" / (fuzzer + "_fuzzer.dict");
  if (fs::exists(dictionary)) command.push_back("-dict=" + dictionary.string());
  command.push_back(units);
  for (const fs::path& seeds :
       {options.source / "fuzz/corpus" / fuzzer, options.source / "fuzz/regress" / fuzzer,
        options.extra_corpus.empty() ? fs::path() : options.extra_corpus / fuzzer}) {
    if (fs::is_directory(seeds)) command.push_back(seeds);
  }
  return command;
}

bool running(const Run& run) { return run.result == "running"; }

std::string progress_text(const std::vector<Run>& runs, std::size_t total, int budget_seconds) {
  const auto done = std::ranges::count_if(runs, [](const Run& run) { return !running(run); });
  std::string text = fmt::format("{}/{} fuzzers done", done, total);
  for (const Run& run : runs) {
    const double seconds = run.process->seconds();
    if (!running(run) || seconds <= 0) continue;
    const auto executions = run.process->output().executions;
    text += fmt::format("; {}: {} executions, {:.0f}/s, {:.0f} s left", run.fuzzer, executions,
                        static_cast<double>(executions) / seconds,
                        std::max(0.0, budget_seconds - seconds));
  }
  return text;
}

/// Requires: the process ended.
std::string result_of(const FuzzProcess& process) {
  if (!process.output().artifact.empty()) return "crash";
  if (process.output().executions == 0) return "nothing";
  return process.status() == 0 ? "ok" : "crash";
}

std::vector<Run> run_all(const Options& options, const fs::path& work) {
  std::vector<Run> runs;
  skysock::ProgressLine progress;
  std::size_t active = 0;
  do {
    while (active < options.jobs && runs.size() < options.fuzzers.size()) {
      const std::string& fuzzer = options.fuzzers[runs.size()];
      const auto seed = static_cast<std::uint32_t>(options.seed + runs.size());
      runs.push_back({fuzzer,
                      std::make_unique<FuzzProcess>(command_of(options, fuzzer, work, seed),
                                                    work / (fuzzer + ".log")),
                      "running"});
      ++active;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (Run& run : runs) {
      if (!running(run)) continue;
      if (run.process->seconds() > options.seconds + kGraceSeconds) run.process->kill();
      if (run.process->update()) continue;
      run.result = result_of(*run.process);
      --active;
    }
    if (progress.due()) {
      progress.show(progress_text(runs, options.fuzzers.size(), options.seconds));
    }
  } while (active > 0 || runs.size() < options.fuzzers.size());
  progress.clear();
  return runs;
}

nlohmann::json as_json(const Run& run) {
  const auto& output = run.process->output();
  const double seconds = run.process->seconds();
  return {{"fuzzer", run.fuzzer},
          {"executions", output.executions},
          {"seconds", seconds},
          {"executions_per_second", static_cast<double>(output.executions) / seconds},
          {"corpus_units", output.corpus_units},
          {"edges", output.edges},
          {"new_units", output.new_units},
          {"result", run.result},
          {"artifact", output.artifact}};
}

void print(const Run& run) {
  const auto& output = run.process->output();
  fmt::print(
      "{:<16} {:<8} {:>9} executions in {:.1f} s, {:.0f}/s, {} edges, {} corpus units, {} new\n",
      run.fuzzer, run.result, output.executions, run.process->seconds(),
      static_cast<double>(output.executions) / run.process->seconds(), output.edges,
      output.corpus_units, output.new_units);
  if (run.result == "ok") return;
  fmt::print("---- the end of what {} said\n{}----\n", program_of(run.fuzzer).string(),
             run.process->tail(kTailLines));
  if (output.artifact.empty()) return;
  fmt::print("input:  {}\nrepeat: {} {}\n", output.artifact, program_of(run.fuzzer).string(),
             output.artifact);
}

/// Returns false, after saying so, when it cannot be written.
bool write_json(const fs::path& path, const std::vector<Run>& runs) {
  if (path.empty()) return true;
  nlohmann::json all = nlohmann::json::array();
  for (const Run& run : runs) all.push_back(as_json(run));
  std::ofstream file(path);
  file << all.dump(2) << '\n';
  file.close();
  if (!file) fmt::print(stderr, "skysock-fuzz: cannot write {}\n", path.string());
  return static_cast<bool>(file);
}

/// Whether they can be run; what is missing is said to the user.
bool all_there(const Options& options) {
  bool there = true;
  for (const std::string& fuzzer : options.fuzzers) {
    if (access(program_of(fuzzer).c_str(), X_OK) == 0) continue;
    fmt::print(stderr, "skysock-fuzz: no program {}; build it with preset `fuzz`\n",
               program_of(fuzzer).string());
    there = false;
  }
  if (there && !kHasEngine) {
    fmt::print(stderr,
               "skysock-fuzz: the fuzzers of this preset have no engine, they only replay inputs; "
               "build with preset `fuzz`\n");
    return false;
  }
  return there;
}

int run_command(const Options& options) {
  if (!all_there(options)) return kNothingRan;
  fmt::print("seed {}, {} s for each of {}\n", options.seed, options.seconds,
             fmt::join(options.fuzzers, ", "));
  std::fflush(stdout);
  const TemporaryDirectory work;
  const std::vector<Run> runs = run_all(options, work.path());
  for (const Run& run : runs) print(run);
  if (!write_json(options.json, runs)) return kUsage;
  const auto any = [&](const char* result) {
    return std::ranges::any_of(runs, [&](const Run& run) { return run.result == result; });
  };
  if (any("crash")) return kFound;
  return any("nothing") ? kNothingRan : 0;
}

/// The canary has a bug on purpose: success is to find it.
int canary_command(Options options) {
  options.fuzzers = {"canary"};
  if (!all_there(options)) return kNothingRan;
  const TemporaryDirectory work;
  options.artifacts = work.path() / "artifacts";
  const std::vector<Run> runs = run_all(options, work.path());
  const Run& run = runs.front();
  if (!write_json(options.json, runs)) return kUsage;
  if (run.result == "nothing") {
    print(run);
    return kNothingRan;
  }
  const bool found = run.result == "crash";
  fmt::print("canary: the bug on purpose was {} after {:.1f} s and {} executions\n",
             found ? "found" : "NOT FOUND", run.process->seconds(),
             run.process->output().executions);
  return found ? 0 : kFound;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<std::string> chosen;
  CLI::App app("Runs the fuzzers beside this program and says what they found.", "skysock-fuzz");
  app.require_subcommand(1);
  app.footer(kFooter);
  CLI::App* run = app.add_subcommand("run", "fuzz for a time budget");
  CLI::App* canary = app.add_subcommand("canary", "check that a bug on purpose is found in time");
  run->add_option("--fuzzer", chosen, "NAME of NAME_fuzzer, may be repeated (default: all)");
  run->add_option("--jobs", options.jobs, "fuzzers at a time")->check(CLI::Range(1, 64));
  run->add_option("--corpus", options.extra_corpus, "more seeds, in DIR/NAME; only read");
  run->add_option("--keep-corpus", options.keep_corpus, "new units go to DIR/NAME and stay");
  run->add_option("--artifacts", options.artifacts, "inputs that crash (default ./fuzz-artifacts)");
  for (CLI::App* command : {run, canary}) {
    command->add_option("--seconds", options.seconds, "time for each fuzzer (run 10, canary 30)")
        ->check(CLI::Range(1, 7 * 24 * 3600));
    command->add_option("--seed", options.seed, "of the engine, from 1")
        ->check(CLI::Range(1U, 4'000'000'000U));
    command->add_option("--json", options.json, "write the results to FILE");
    command->add_option("--source", options.source, "source tree with fuzz/corpus and dictionaries")
        ->check(CLI::ExistingDirectory);
    command->footer(kFooter);
  }
  if (const auto wrong = skysock::unknown_command(app, argc, argv); !wrong.empty()) {
    fmt::print(stderr, "skysock-fuzz: {}\nRun with --help for more information.\n", wrong);
    return kUsage;
  }
  try {
    app.parse(argc, argv);
    if (!chosen.empty()) options.fuzzers = chosen;
    if (run->parsed()) return run_command(options);
    if (canary->count("--seconds") == 0) options.seconds = 30;
    return canary_command(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "skysock-fuzz: {}\n", error.what());
    return kUsage;
  }
}
