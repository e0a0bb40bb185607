// Runs scenarios and counts, each in a process of its own: none inherits another's heap. It prints
// one JSON object a line. skysock-bench --counts runs this program, alone and under callgrind.

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/counts/call_names.hpp"
#include "bench/counts/libraries.hpp"
#include "bench/counts/scenario.hpp"
#include "bench/counts/tally.hpp"
#include "bench/exit_code.hpp"
#include "bench/load/socket.hpp"
#include "bench/peers/raw_uring.hpp"
#include "bench/settings.hpp"

using namespace skysock;
using namespace skysock::bench;
using namespace skysock::bench::counts;

namespace {

constexpr const char* kFooter =
    R"(A line is {"scenario": NAME, "pid": N, "operations": N, "server": COUNTS, "client": COUNTS}
with COUNTS = {"calls": {NAME: N}, "allocations": N, "allocated_bytes": N}: "server" is what the
counted operations made, "client" what the other end did, warm-up included. Or {"scenario": NAME,
"error": TEXT}; "left_out" instead of "error": this kernel has no io_uring. The first line names the
libraries.

Exit codes: 0 all counted; 1 a scenario failed; 2 wrong command line; 6 this build is instrumented:
its counts would mean nothing.)";

struct Options {
  std::vector<std::string> names;
  std::uint64_t times = 1;
};

nlohmann::ordered_json json_of(const Tally& tally) {
  nlohmann::ordered_json json = {{"calls", nlohmann::ordered_json::object()},
                                 {"allocations", tally.allocations},
                                 {"allocated_bytes", tally.allocated_bytes}};
  for (std::size_t number = 0; number < tally.calls.size(); ++number) {
    if (tally.calls[number] > 0) json["calls"][call_name(number)] = tally.calls[number];
  }
  return json;
}

const Tally& tally_of(Side who) { return tallies[static_cast<std::size_t>(who)]; }

/// In a process of its own.
std::string count(const Scenario& scenario, std::uint64_t operations) {
  nlohmann::ordered_json line = {{"scenario", scenario.name}, {"pid", getpid()}};
  const auto done = scenario.run(scenario, operations);
  if (done) {
    line["operations"] = operations;
    line["server"] = json_of(tally_of(Side::server));
    line["client"] = json_of(tally_of(Side::client));
  } else {
    const bool no_uring =
        done.error().find("io_uring") != std::string::npos && !bench::check_uring();
    line[no_uring ? "left_out" : "error"] = done.error();
  }
  return line.dump() + "\n";
}

/// Counts in a child that has one CPU, whose answers come to `output`. Returns whether it went
/// well.
bool count_in_child(const Scenario& scenario, std::uint64_t operations, int output) {
  const pid_t child = fork();
  if (child == 0) {
    // Scripts print where they listen.
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);  // NOLINT: vararg is the API.
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
    const std::string line = count(scenario, operations);
    const bool failed = line.find("\"error\":") != std::string::npos;
    const bool said = write(output, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    _exit(said && !failed ? kPassed : kFailed);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0) return false;
  if (WIFEXITED(status) && WEXITSTATUS(status) <= kFailed) return WEXITSTATUS(status) == kPassed;
  const nlohmann::ordered_json line = {{"scenario", scenario.name},
                                       {"error", fmt::format("ended with status {}", status)}};
  fmt::print("{}\n", line.dump());
  return false;
}

int count_all(const std::vector<const Scenario*>& chosen, std::uint64_t times) {
  const load::Fd output(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));  // NOLINT: vararg is the API.
  bool good = true;
  for (const Scenario* scenario : chosen) {
    std::fflush(stdout);
    good = count_in_child(*scenario, scenario->operations * times, output.get()) && good;
  }
  return good ? kPassed : kFailed;
}

int complain(ExitCode code, const std::string& problem) {
  fmt::print(stderr, "counted_scenarios: {}\n", problem);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Counts system calls and allocations of stepped scenarios.", "counted_scenarios");
  Options options;
  app.add_option("SCENARIO", options.names, "scenarios; none: all");
  app.add_option("--times", options.times, "a multiple of each scenario's operations")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000}))
      ->capture_default_str();
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kPassed : kUsage;
  }
  std::vector<const Scenario*> chosen;
  for (const std::string& name : options.names) {
    chosen.push_back(find_scenario(name));
    if (chosen.back() == nullptr) {
      return complain(kUsage, fmt::format("scenario '{}': expected one of skysock-bench --counts "
                                          "--help",
                                          name));
    }
  }
  if (chosen.empty()) {
    for (const Scenario& scenario : scenarios()) chosen.push_back(&scenario);
  }
  if (SKYSOCK_COUNTS_INSTRUMENTED) return complain(kCannotRun, "this build is instrumented");
  // Client and server take turns on one CPU: then what one sends is there when the other looks.
  if (auto pinned = bench::pin_thread(sched_getcpu()); !pinned) {
    return complain(kFailed, pinned.error());
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"libraries", libraries()}}.dump());
  return count_all(chosen, options.times);
}
