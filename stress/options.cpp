#include "stress/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <sstream>

#include "core/base/whole_number.hpp"

namespace skysock::stress {
namespace {

constexpr const char* kAbout =
    "Drives an echo server with client processes and verifies every byte that comes back.\n"
    "\n"
    "Each client process keeps its connections busy with messages of random size and cut, several\n"
    "in flight. Half of the connections end with SHUT_WR and must get back every byte and then "
    "EOF;\n"
    "the others wait for every byte and close. Every byte sent is a function of (seed, "
    "connection,\n"
    "offset). Without --target, a server is started: skysock beside this program with the Lua "
    "echo\n"
    "service, ended with SIGTERM after the run.";

constexpr const char* kFooter =
    "Exit codes:\n"
    "  0    PASS: every byte verified, no failure, the server ended with status 0\n"
    "  1    FAIL: mismatch, loss, extra bytes, hang, refused connect, dead server or client\n"
    "  2    wrong usage\n"
    "  5    could not run, or nothing was verified (a run that did no work never passes)\n"
    "  130  stopped by SIGINT or SIGTERM before the end; no failure until then\n"
    "\n"
    "Examples:\n"
    "  skysock-stress --clients 4 --connections 100 --duration 60 --seed 7 --json stress.json\n"
    "  skysock-stress --target 127.0.0.1:8888 --duration 5\n"
    "  skysock-stress --server 'build/dev/bin/skysock lua/examples/echo.lua 127.0.0.1 0'";

constexpr double kWeekS = 7.0 * 24 * 3600;
constexpr double kHourS = 3600;

/// CLI::Range alone lets "nan" through.
CLI::Validator seconds(double max) {
  return CLI::Validator(
      [max](std::string& text) {
        double value = 0;
        if (!CLI::detail::lexical_cast(text, value) || !(value >= 0.1 && value <= max)) {
          return fmt::format("'{}' is not a number of seconds from 0.1 to {}", text, max);
        }
        return std::string();
      },
      "SECONDS");
}

CLI::Validator digits() {
  return CLI::Validator([](std::string& text) { return wrong_whole_number(text); }, "INTEGER");
}

CLI::Validator not_empty() {
  return CLI::Validator(
      [](std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); }, "");
}

void add_load(CLI::App& app, Options& options) {
  app.add_option("--clients", options.clients, "client processes")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--connections", options.connections, "connections at a time, per client")
      ->check(CLI::Range(1, 20000))
      ->capture_default_str();
  app.add_option("--duration", options.duration_s, "seconds")
      ->check(seconds(kWeekS))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of all randomness (default: drawn, and printed)")
      ->check(digits());
  app.add_option("--message-max", options.message_bytes_max, "largest message in bytes")
      ->check(CLI::Range(1, 64 << 20))
      ->capture_default_str();
}

void add_server(CLI::App& app, Options& options) {
  auto* target =
      app.add_option("--target", options.target, "HOST:PORT of a running echo server (starts none)")
          ->check(not_empty());
  auto* server = app.add_option("--server", options.server_command,
                                "'COMMAND...' to start instead of skysock (quoted as in a shell); "
                                "must print 'listening on HOST:PORT' and end with 0 on SIGTERM")
                     ->check(not_empty());
  auto* tuning = app.add_option("--tuning", options.tuning, "key=value,... handed to skysock");
  auto* script = app.add_option("--script", options.script, "Lua echo service that skysock runs")
                     ->capture_default_str();
  server->excludes(target);
  tuning->excludes(target)->excludes(server);
  script->excludes(target)->excludes(server);
  app.add_option("--server-timeout", options.server_timeout_s,
                 "seconds the server may take to start, and to end")
      ->check(seconds(kHourS))
      ->capture_default_str();
}

void add_verdict(CLI::App& app, Options& options) {
  app.add_option("--hang-timeout", options.hang_timeout_s,
                 "seconds without progress that make a hang of a connection")
      ->check(seconds(kHourS))
      ->capture_default_str();
  app.add_option("--max-failures", options.failures_max, "a client stops after this many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--json", options.json_path, "FILE for the result");
}

std::string quote(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

}  // namespace

std::expected<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
  Options options;
  options.program = argc > 0 ? argv[0] : "skysock-stress";
  options.script = SKYSOCK_SOURCE_DIR "/lua/examples/echo.lua";
  CLI::App app(kAbout, "skysock-stress");
  app.footer(kFooter);
  add_load(app, options);
  add_server(app, options);
  add_verdict(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream output;
    const bool asked = app.exit(error, output, output) == 0;
    return std::unexpected(EarlyExit{output.str(), asked ? 0 : static_cast<int>(ExitCode::usage)});
  }
  options.seed_given = app.count("--seed") > 0;
  return options;
}

std::expected<std::vector<std::string>, std::string> server_command(const Options& options,
                                                                    const std::string& directory) {
  if (!options.server_command.empty()) return split_words(options.server_command);
  std::vector<std::string> command = {directory + "/skysock"};
  if (!options.tuning.empty()) command.insert(command.end(), {"--tuning", options.tuning});
  command.insert(command.end(), {options.script, "127.0.0.1", "0"});
  return command;
}

std::expected<std::vector<std::string>, std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote_open = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote_open == 0 && is_blank(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == quote_open) {
      quote_open = 0;
    } else if (quote_open == 0 && (c == '\'' || c == '"')) {
      quote_open = c;
    } else if (c == '\\' && quote_open != '\'') {
      if (++at == text.size()) return std::unexpected("a backslash protects nothing at the end");
      words.back() += text[at];
    } else {
      words.back() += c;
    }
  }
  if (quote_open != 0) return std::unexpected(fmt::format("a quote ({}) is left open", quote_open));
  if (words.empty()) return std::unexpected("the command is empty");
  return words;
}

std::string quote_words(std::span<const std::string> words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + quote(word);
  return line;
}

std::string repeat_command(const Options& options) {
  std::vector<std::string> words = {options.program};
  const auto add = [&words](const char* name, const std::string& value) {
    words.insert(words.end(), {name, value});
  };
  add("--clients", fmt::to_string(options.clients));
  add("--connections", fmt::to_string(options.connections));
  add("--duration", fmt::to_string(options.duration_s));
  add("--seed", fmt::to_string(options.seed));
  add("--message-max", fmt::to_string(options.message_bytes_max));
  add("--hang-timeout", fmt::to_string(options.hang_timeout_s));
  add("--max-failures", fmt::to_string(options.failures_max));
  add("--server-timeout", fmt::to_string(options.server_timeout_s));
  if (!options.target.empty()) add("--target", options.target);
  if (!options.server_command.empty()) add("--server", options.server_command);
  if (!options.tuning.empty()) add("--tuning", options.tuning);
  if (options.target.empty() && options.server_command.empty()) add("--script", options.script);
  return quote_words(words);
}

}  // namespace skysock::stress
