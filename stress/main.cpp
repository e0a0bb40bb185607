// skysock-stress: does an echo server return every byte, in order, once, and then end as it should?

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>

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

std::string errno_text() { return std::generic_category().message(errno); }

/// Empty when the file can be read.
std::string why_unreadable(const std::string& path) {
  if (std::filesystem::is_directory(path)) return std::generic_category().message(EISDIR);
  return ::access(path.c_str(), R_OK) == 0 ? "" : errno_text();
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
  if (options.target.empty() && options.server_command.empty()) {
    if (const std::string reason = why_unreadable(options.script); !reason.empty()) {
      return fmt::format("--script: cannot read '{}': {}", options.script, reason);
    }
  }
  // Emptied now: a result of an earlier run must not be taken for this one's.
  if (!options.json_path.empty() && !std::ofstream(options.json_path)) {
    return fmt::format("--json: cannot write '{}': {}", options.json_path, errno_text());
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
  const auto verdict = skysock::stress::judge(result);
  if (verdict.code != ExitCode::usage) {
    fmt::print("{}", skysock::stress::summary(result, options));
  }
  if (!options.json_path.empty() &&
      !write_result(options.json_path, skysock::stress::result_json(result, options))) {
    fmt::print(stderr, "skysock-stress: cannot write '{}'\n", options.json_path);
    return static_cast<int>(ExitCode::could_not_run);
  }
  if (verdict.code == ExitCode::usage) return usage_error(verdict.reason);
  return static_cast<int>(verdict.code);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = skysock::stress::parse_options(argc, argv);
  if (options) return run(*options);
  fmt::print(options.error().code == 0 ? stdout : stderr, "{}", options.error().text);
  return options.error().code;
}
