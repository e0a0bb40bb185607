// skysock: runs a Lua script as the first service of a node.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "lua/bindings/service.hpp"
#include "lua/native_command.hpp"
#include "lua/signal_watch.hpp"
#include "lua/stats_printer.hpp"

namespace skysock::lua {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr std::chrono::seconds kEndGrace{5};

constexpr const char* kDescription =
    "Runs a Lua script as the first service of a skysock node: a reactor thread with the socket\n"
    "server, worker threads for services, and the modules `skynet` and `skynet.socket`. With\n"
    "--native a service in C++ takes the place of the script.";
constexpr const char* kFooter =
    "Everything after SCRIPT.lua reaches the script as `...`.\n"
    "Examples: skysock --tuning workers=2 lua/examples/echo.lua 127.0.0.1 8001\n"
    "          skysock --native echo --listen 127.0.0.1:8001\n"
    "\n"
    "Exit codes: 0  the last service ended, or SIGTERM or SIGINT came\n"
    "            1  the script failed to load or to start, --native cannot listen, or a service\n"
    "               could not end within 5 s\n"
    "            2  the command line is wrong";

/// CLI11 does not know what follows the options.
class Formatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: skysock [OPTIONS] SCRIPT.lua [ARG...]\n"
           "       skysock [OPTIONS] --native echo|sink|source --listen HOST:PORT\n";
  }
};

struct Options {
  Tuning tuning;
  Script script;
  std::optional<NativeOptions> native;
  std::optional<StatsOptions> stats;
};

int usage_error(const std::string& text) {
  fmt::print(stderr, "skysock: error: {}\nTry: skysock --help\n", text);
  return kExitUsage;
}

// A closed standard descriptor would be given to the first socket, and print() would write into it.
void hold_standard_descriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);  // NOLINT: vararg
  if (fd > STDERR_FILENO) ::close(fd);
}

ServiceHandle spawn_script(Runtime& runtime, Script script, std::atomic<bool>& failed) {
  const std::string name = script.path;
  const ServiceHandle first =
      runtime.spawn(name, service_factory(runtime, std::move(script), failed));
  runtime.post(first, Message{.type = MessageType::system, .payload = {}});
  return first;
}

int run(Options options) {
  hold_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);
  block_end_signals();
  std::atomic<bool> failed{false};
  auto made = Runtime::start(options.tuning);
  if (!made) {
    fmt::print(stderr, "skysock: error: cannot start the node: {}\n", made.error().message());
    return kExitFailed;
  }
  Runtime& runtime = **made;
  const SignalWatch watch([&runtime] { runtime.request_stop(); }, kEndGrace);
  std::optional<StatsPrinter> stats;
  if (options.stats) stats.emplace(runtime, *options.stats);
  if (options.native) {
    spawn_native(runtime, *options.native, failed);
  } else {
    spawn_script(runtime, std::move(options.script), failed);
  }
  runtime.wait();
  stats.reset();
  runtime.stop();
  return failed.load() ? kExitFailed : 0;
}

// What follows the options: SCRIPT and its arguments, which may look like options.
std::string take_script(const std::vector<std::string>& rest, Script& script) {
  if (rest.empty()) return "SCRIPT.lua expected";
  script.path = rest.front();
  script.arguments.assign(rest.begin() + 1, rest.end());
  if (script.path.size() > 1 && script.path.starts_with('-')) {
    return fmt::format("unknown option {}", script.path);
  }
  std::error_code error;
  if (!std::filesystem::is_regular_file(script.path, error) ||
      ::access(script.path.c_str(), R_OK) != 0) {
    return fmt::format("cannot read script {}", script.path);
  }
  if (!std::filesystem::is_regular_file(script.lualib + "/skynet.lua", error)) {
    return fmt::format("no skynet.lua in {} (see --lualib)", script.lualib);
  }
  return "";
}

int main(int argc, char** argv) {
  Options options;
  options.script.lualib = SKYSOCK_SOURCE_DIR "/lua/lualib";
  std::string tuning;
  NativeCommand native;
  StatsCommand stats;
  CLI::App app(kDescription, "skysock");
  app.footer(kFooter);
  app.formatter(std::make_shared<Formatter>());
  app.prefix_command();
  app.set_version_flag("--version", "skysock " SKYSOCK_VERSION);
  app.add_option("--tuning", tuning, "key=value,... of the node; `--tuning help` lists the keys");
  app.add_option("--lualib", options.script.lualib, "Directory of skynet.lua and skynet/socket.lua")
      ->capture_default_str();
  add_native_options(app, native);
  add_stats_options(app, stats);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::CallForVersion&) {
    fmt::print("{}\n", app.version());
    return 0;
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (tuning == "help") {
    fmt::print("{}", tuning_help());
    return 0;
  }
  auto parsed = parse_tuning(tuning);
  if (!parsed) return usage_error("--tuning: " + parsed.error());
  options.tuning = *parsed;
  const auto printed = parse_stats(stats);
  if (!printed) return usage_error(printed.error());
  options.stats = *printed;
  const auto service = parse_native(native);
  if (!service) return usage_error(service.error());
  options.native = *service;
  if (options.native) {
    options.tuning = native_tuning(options.tuning, options.native->mode);
    if (app.remaining().empty()) return run(std::move(options));
    return usage_error(fmt::format("unexpected '{}' beside --native", app.remaining().front()));
  }
  const std::string problem = take_script(app.remaining(), options.script);
  if (!problem.empty()) return usage_error(problem);
  return run(std::move(options));
}

}  // namespace
}  // namespace skysock::lua

// NOLINTNEXTLINE(bugprone-exception-escape): only for lack of memory.
int main(int argc, char** argv) { return skysock::lua::main(argc, argv); }
