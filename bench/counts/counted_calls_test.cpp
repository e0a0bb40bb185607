// Does the program count the system calls that strace sees? Both count one run each with few and
// with twice as many operations; the differences must be equal, by name. Leaves out how the
// two threads take turns, and how the allocator gets its memory.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/compare/strace.hpp"
#include "bench/counts/scenario.hpp"
#include "bench/settings.hpp"
#include "bench/shell.hpp"

namespace skysock::bench::counts {
namespace {

using compare::CallCounts;

struct Counts {
  CallCounts ours;    ///< Server and client.
  CallCounts theirs;  ///< All of the process.
};

/// One run under strace.
Counts count(const std::string& scenario, int times) {
  const std::string file = testing::TempDir() + "/counted_calls_test." + scenario;
  const std::string command = "strace -f -c -Uname,calls -o '" + file + "' timeout 50 '" +
                              own_folder() + "/counted_scenarios' --times " +
                              std::to_string(times) + " " + scenario;
  Counts counts;
  const auto ended = run_command(command);
  EXPECT_TRUE(ended) << ended.error();
  if (!ended) return counts;
  const std::string& lines = ended->output;
  EXPECT_EQ(ended->exit_code, 0) << lines;
  const auto json = nlohmann::json::parse(lines.substr(lines.find('\n') + 1), nullptr, false);
  EXPECT_TRUE(json.contains("server") || json.contains("left_out")) << lines;
  if (!json.contains("server")) return counts;
  for (const char* side : {"server", "client"}) {
    for (const auto& [name, calls] : json[side]["calls"].items()) {
      counts.ours[name] += calls.get<std::uint64_t>();
    }
  }
  std::ifstream summary(file);
  const std::string text{std::istreambuf_iterator<char>(summary), {}};
  const auto parsed = compare::parse_summary(text);
  EXPECT_TRUE(parsed) << text;
  if (parsed) counts.theirs = *parsed;
  std::remove(file.c_str());
  return counts;
}

using Differences = std::map<std::string, std::int64_t>;

Differences difference(const CallCounts& more, const CallCounts& less) {
  Differences result;
  for (const auto& [name, calls] : more) result[name] += static_cast<std::int64_t>(calls);
  for (const auto& [name, calls] : less) result[name] -= static_cast<std::int64_t>(calls);
  // The turns of the two threads, and what malloc() asks the kernel for.
  for (const char* other : {"futex", "sched_yield", "brk", "mmap", "munmap", "mprotect"}) {
    result.erase(other);
  }
  return result;
}

/// Where the two differ; "" when they do not.
std::string mismatch(const std::string& scenario) {
  // Until a scenario's steps are locked the server runs freely: it wakes up once more or less.
  constexpr std::int64_t kStart = 3;
  const Counts once = count(scenario, 1);
  const Counts twice = count(scenario, 2);
  Differences ours = difference(twice.ours, once.ours);
  for (const auto& [name, calls] : difference(twice.theirs, once.theirs)) {
    if (std::abs(calls - ours[name]) > kStart) {
      return fmt::format("{}: strace saw {}, we counted {}", name, calls, ours[name]);
    }
    ours.erase(name);
  }
  return ours.empty() ? "" : fmt::format("strace did not see {}", ours.begin()->first);
}

/// On a busy machine the start differs more. What is counted wrongly is so each time.
void expect_the_same(const std::string& scenario) {
  constexpr int kTries = 5;
  std::string last;
  for (int left = kTries; left > 0; --left) {
    last = mismatch(scenario);
    if (last.empty()) return;
  }
  ADD_FAILURE() << scenario << ": " << last;
}

bool has_strace() { return std::system("strace -V >/dev/null 2>&1") == 0; }

TEST(CountedCalls, AreThoseThatStraceSees) {
  if (!has_strace()) GTEST_SKIP() << "strace is missing; run ci/setup.sh";
  EXPECT_FALSE(count("echo_64B_100", 1).ours.empty());
  for (const Scenario& scenario : scenarios()) expect_the_same(std::string(scenario.name));
}

}  // namespace
}  // namespace skysock::bench::counts
