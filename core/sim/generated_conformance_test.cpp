// Do LinuxSys and SimKernel give the same answers, step by step, in scripts that nobody thought of?
// SKYSOCK_CONFORMANCE_SCRIPTS and SKYSOCK_CONFORMANCE_SEED say how many and which.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <thread>

#include "core/sim/script_runner.hpp"

namespace skysock::conformance {
namespace {

constexpr std::uint64_t kScripts = 3'000;  // Of 20,000 and more none differed.
constexpr std::size_t kStepsMin = 10;
constexpr std::size_t kStepsMax = 40;
/// How long Linux may take to get on with what it began.
constexpr std::chrono::milliseconds kMoment{50};

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Difference {
  std::size_t step = 0;
  std::string linux_says;
  std::string sim_says;
};

std::optional<Difference> first_difference(const Script& script) {
  ScriptRunner<SimKernel> sim;
  ScriptRunner<LinuxSys> real;
  for (std::size_t at = 0; at < script.size(); ++at) {
    const Outcome expected = sim.run(script[at]);
    Outcome got = real.run(script[at]);
    const auto until = std::chrono::steady_clock::now() + kMoment;
    while (got != expected && got.may_be_early && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
      got = real.again(script[at], got);
    }
    if (got != expected) return Difference{at, text_of(got), text_of(expected)};
  }
  return std::nullopt;
}

/// A difference that is there every time: what comes and goes is the machine's doing.
bool differs(const Script& script) {
  constexpr int kTimes = 3;
  for (int time = 0; time < kTimes; ++time) {
    if (!first_difference(script)) return false;
  }
  return true;
}

/// Leaves out whatever is not needed for a difference.
Script shrunk(Script script) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (std::size_t at = script.size(); at-- > 0;) {
      Script without = script;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(at));
      if (!differs(without)) continue;
      script = std::move(without);
      smaller = true;
    }
  }
  return script;
}

std::string report(const Script& script) {
  const auto difference = first_difference(script);
  std::string text;
  for (const ScriptStep& step : script) text += "  " + text_of(step) + "\n";
  if (!difference) return text + "(not every time)\n";
  return text + fmt::format("step {}: Linux says \"{}\", the simulation \"{}\"\n",
                            difference->step + 1, difference->linux_says, difference->sim_says);
}

TEST(GeneratedConformance, BothKernelsSayTheSame) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::uint64_t scripts = number_of("SKYSOCK_CONFORMANCE_SCRIPTS", kScripts);
  const std::uint64_t seed = number_of("SKYSOCK_CONFORMANCE_SEED", 1);
  std::uint64_t steps = 0;
  for (std::uint64_t number = 0; number < scripts; ++number) {
    Prng random(mix64(seed) + number);
    const Script script = random_script(random, kStepsMin + random.below(kStepsMax - kStepsMin));
    steps += script.size();
    if (!differs(script)) continue;
    FAIL() << "script " << number << " of seed " << seed << ":\n" << report(shrunk(script));
  }
  fmt::print("{} scripts, {} steps, seed {}: equal\n", scripts, steps, seed);
}

TEST(GeneratedConformance, ScriptsUseEveryVerb) {
  std::array<std::size_t, kVerbCount> used{};
  Prng random(1);
  for (int script = 0; script < 100; ++script) {
    for (const ScriptStep& step : random_script(random, kStepsMax)) {
      ++used[static_cast<std::size_t>(step.verb)];
    }
  }
  for (std::size_t verb = 0; verb < kVerbCount; ++verb) {
    EXPECT_GT(used[verb], 0U) << text_of(ScriptStep{.verb = static_cast<Verb>(verb)});
  }
}

TEST(GeneratedConformance, ScriptsComeToEveryKindOfEnd) {
  std::map<std::string, std::size_t> said;
  Prng random(1);
  for (int number = 0; number < 2'000; ++number) {
    ScriptRunner<SimKernel> sim;
    for (const ScriptStep& step : random_script(random, kStepsMax)) {
      const Outcome outcome = sim.run(step);
      ++said[outcome.text];
      for (const auto& [place, events] : outcome.reported) ++said[names_of(events)];
    }
  }
  for (const char* text : {"EINPROGRESS",
                           "EAGAIN",
                           "EPIPE",
                           "ECONNRESET",
                           "ECONNREFUSED",
                           "ENOTCONN",
                           "EEXIST",
                           "ENOENT",
                           "ENOTSOCK",
                           "(end)",
                           "drained, (end)",
                           "full, all arrived, writable again",
                           "IN",
                           "OUT",
                           "IN|OUT",
                           "HUP",
                           "OUT|HUP",
                           "IN|RDHUP",
                           "IN|OUT|RDHUP",
                           "IN|OUT|RDHUP|HUP",
                           "IN|OUT|RDHUP|ERR|HUP"}) {
    EXPECT_GE(said[text], 5U) << text;
  }
  if (std::getenv("SKYSOCK_CONFORMANCE_SAID") == nullptr) return;
  for (const auto& [text, count] : said) fmt::print("{:>7} {}\n", count, text);
}

}  // namespace
}  // namespace skysock::conformance
