#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace skysock::stress {

/// Exit codes of skysock-stress. A run that could not start, or found no listener, is
/// could_not_run; then a failure outranks an interruption, and that outranks a run in which nothing
/// was verified (could_not_run).
enum class ExitCode : int {
  pass = 0,
  fail = 1,
  usage = 2,
  could_not_run = 5,
  interrupted = 130,
};

struct Options {
  std::uint64_t clients = 2;
  std::uint64_t connections = 16;
  double duration_s = 10;
  std::uint64_t seed = 0;
  bool seed_given = false;
  std::string target;          ///< HOST:PORT, or empty: start a server.
  std::string server_command;  ///< As given, or empty: skysock with `script`.
  std::string tuning;
  std::string script;
  double hang_timeout_s = 10;
  double server_timeout_s = 30;
  std::uint64_t message_bytes_max = 262144;
  std::uint64_t failures_max = 10;
  std::string json_path;
  std::string program;  ///< argv[0]
};

/// What to print and how to exit when the run must not start (help, or a mistake in the arguments).
struct EarlyExit {
  std::string text;
  int code = 0;
};

/// Reads the command line. Never exits by itself. A seed that is not given stays 0 with seed_given
/// unset.
std::expected<Options, EarlyExit> parse_options(int argc, const char* const* argv);

/// The command of the server to start: `server_command` cut into words, or skysock beside this
/// program. The error says what is wrong with the quoting.
std::expected<std::vector<std::string>, std::string> server_command(const Options& options,
                                                                    const std::string& directory);

/// Cuts `text` into words as a shell does: blanks separate; single and double quotes, and
/// backslash, protect. No variables, globs or operators. The error says what is left open.
std::expected<std::vector<std::string>, std::string> split_words(const std::string& text);

/// The words as one line that a shell (and split_words) reads back.
std::string quote_words(std::span<const std::string> words);

/// The exact command that repeats the run: every option that has an influence, with the seed.
std::string repeat_command(const Options& options);

}  // namespace skysock::stress
