// skysock-stress: does an echo server return every byte, in order, once, and then end as it should?

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <random>

#include "stress/options.hpp"
#include "stress/run.hpp"
#include "stress/target.hpp"

namespace {

using skysock::stress::ExitCode;
using skysock::stress::Options;

int usage_error(const std::string& text) {
  fmt::print(stderr, "skysock-stress: {}\nRun with --help for the options.\n", text);
  return static_cast<int>(ExitCode::usage);
}

/// Mistakes that only show when the arguments are tried. Empty when there is none.
std::string mistake_in(const Options& options) {
  if (!options.target.empty()) {
    const auto target = skysock::stress::resolve_target(options.target);
    if (!target) return "--target: " + target.error();
  }
  if (!options.server_command.empty()) {
    const auto words = skysock::stress::split_words(options.server_command);
    if (!words) return "--server: " + words.error();
  }
  // Emptied now: a result of an earlier run must not be taken for this one's.
  if (!options.json_path.empty() && !std::ofstream(options.json_path)) {
    return fmt::format("--json: cannot write '{}'", options.json_path);
  }
  return {};
}

bool write_result(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return !file.fail();
}

int run(Options options) {
  if (const std::string mistake = mistake_in(options); !mistake.empty()) {
    return usage_error(mistake);
  }
  if (!options.seed_given) options.seed = std::random_device{}();
  fmt::print("seed {}; repeat: {}\n", options.seed, skysock::stress::repeat_command(options));
  std::fflush(stdout);
  const auto result = skysock::stress::run_stress(options);
  fmt::print("{}", skysock::stress::summary(result, options));
  if (!options.json_path.empty() &&
      !write_result(options.json_path, skysock::stress::result_json(result, options))) {
    fmt::print(stderr, "skysock-stress: cannot write '{}'\n", options.json_path);
    return static_cast<int>(ExitCode::could_not_run);
  }
  return static_cast<int>(skysock::stress::judge(result).code);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = skysock::stress::parse_options(argc, argv);
  if (options) return run(*options);
  fmt::print(options.error().code == 0 ? stdout : stderr, "{}", options.error().text);
  return options.error().code;
}
