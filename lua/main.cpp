// skysock: runs a Lua script, or what a configuration says, as the first service of a node.

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/service/stats_text.hpp"
#include "core/sys/descriptor_table.hpp"
#include "lua/bindings/node.hpp"
#include "lua/drain.hpp"
#include "lua/native_command.hpp"
#include "lua/output.hpp"
#include "lua/program.hpp"
#include "lua/signal_watch.hpp"
#include "lua/stats_printer.hpp"
#include "lua/trace_command.hpp"

namespace skysock::lua {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitStuck = 4;
constexpr std::chrono::seconds kDrainLimit{2};

constexpr const char* kDescription =
    "Runs a Lua script as the first service of a skysock node: a reactor thread with the socket\n"
    "server, worker threads for services, and the modules `skynet` and `skynet.socket`. A file "
    "whose\n"
    "name does not end in .lua is a configuration of skynet's form. With --native a service in "
    "C++\n"
    "takes the place of the script.";
constexpr const char* kFooter =
    "Everything after SCRIPT.lua reaches the script as `...`.\n"
    "Examples: skysock --tuning workers=2 lua/examples/echo.lua 127.0.0.1 8001\n"
    "          skysock --native echo --listen 127.0.0.1:8001\n"
    "\n"
    "CONFIG is Lua: key = value lines. Its keys: thread (worker threads; --tuning workers=N "
    "wins),\n"
    "start (first service and its arguments; main), luaservice, lua_path, lua_cpath (where "
    "scripts\n"
    "and modules are found: patterns with ?, separated by ;), preload (a script that every "
    "service\n"
    "runs first), logger (a file for the log). $NAME is a variable of the environment, include\n"
    "\"FILE\" reads another configuration. skynet.getenv() reads every key.\n"
    "\n"
    "A trace has one entry for each step of a socket's state machine (core/net/RULES.md is the\n"
    "table): time, id, owner, state + input -> next state, what the owner heard, what was done.\n"
    "Example: skysock --trace t --native echo --listen 127.0.0.1:8001; skysock --read-trace t\n"
    "\n"
    "Signals: SIGTERM and SIGINT end the node; as at any end, what is queued may be sent for 2 s\n"
    "more. SIGHUP opens the file of logger anew, for logrotate: it is made at once, and the next\n"
    "line goes into it; without logger it does nothing.\n"
    "\n"
    "Exit codes: 0  the last service ended, or SIGTERM or SIGINT came\n"
    "            1  the script fails while it is loaded or started, --native cannot listen, the "
    "file\n"
    "               of --trace or logger cannot be made or that of --read-trace is damaged\n"
    "            2  the command line or CONFIG is wrong, SCRIPT.lua or CONFIG cannot be read, or\n"
    "               SCRIPT.lua is a configuration (it ends without skynet.start and sets one of "
    "start,\n"
    "               thread, luaservice, lua_path, or calls include)\n"
    "            4  a service did not end within --stop-limit; its name is on standard error";

/// CLI11 does not know what follows the options.
class Formatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: skysock [OPTIONS] SCRIPT.lua [ARG...]\n"
           "       skysock [OPTIONS] CONFIG\n"
           "       skysock [OPTIONS] --config FILE\n"
           "       skysock [OPTIONS] --native MODE --listen HOST:PORT\n"
           "       skysock --read-trace FILE [--id ID]\n";
  }
};

/// As it was typed.
struct CommandLine {
  std::string config;
  std::string tuning;
  std::string lualib = SKYSOCK_SOURCE_DIR "/lua/lualib";
  NativeCommand native;
  StatsCommand stats;
  TraceCommand trace;
  std::int64_t stop_limit_s = 10;
};

struct Options {
  Tuning tuning;
  Program program;  ///< Unless `native`.
  std::optional<NativeOptions> native;
  std::optional<StatsOptions> stats;
  std::string trace;  ///< "": none.
  std::int64_t stop_limit_s = 10;
};

int usage_error(const std::string& text) {
  print_to(stderr, fmt::format("skysock: error: {}\nTry: skysock --help\n", text));
  return kExitUsage;
}

int failure(const std::string& text) {
  print_to(stderr, fmt::format("skysock: error: {}\n", text));
  return kExitFailed;
}

// glibc gives the top of a heap back to the kernel above 128 KiB, and gets it again, page fault by
// page fault, for the next reads. Measured (echo, one worker, page faults and CPU per message): 8
// connections of 256 KiB 10 faults and 89 us by default, 0 and 54 with 16 MiB; 32 connections need
// more than 1 MiB of it. Setting one of them ends glibc's own adaption of the other: a Lua server
// of 1 MB strings then takes 735 faults each, unless M_MMAP_THRESHOLD lets them stay on the heap.
// M_TOP_PAD changed nothing. The price: 16 MiB of each heap stay ours after a burst.
void keep_heap() {
  constexpr int kTrimBytes = 16 << 20;
  constexpr int kMapBytes = 4 << 20;
  ::mallopt(M_TRIM_THRESHOLD, kTrimBytes);
  ::mallopt(M_MMAP_THRESHOLD, kMapBytes);
}

// A closed standard descriptor would be given to the first socket, and print() would write into it.
void hold_standard_descriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);  // NOLINT: vararg
  if (fd > STDERR_FILENO) ::close(fd);
}

void reopen_log(Log& log, const std::string& file) {
  if (const auto reopened = log.reopen(); !reopened) {
    print_to(stderr, fmt::format("skysock: logger {}: {}; the old file goes on\n", file,
                                 reopened.error().message()));
  }
}

int run(Options options) {
  hold_standard_descriptors();
  block_signals();
  Program& program = options.program;
  const std::string log_file = program.node.log_file;
  const auto log_fd = Log::open(log_file);
  if (!log_fd) return failure(fmt::format("logger {}: {}", log_file, log_fd.error().message()));
  program.node.log_fd = *log_fd;
  std::atomic<bool> failed{false};
  RuntimeHooks hooks;
  std::unique_ptr<StepTrace> trace;
  if (!options.trace.empty()) {
    auto opened = open_trace(options.trace);
    if (!opened) return failure(opened.error());
    trace = std::move(*opened);
    add_trace_hooks(hooks, *trace);
  }
  auto made = Runtime::start(options.tuning, std::move(hooks));
  if (!made) {
    return failure("cannot start the node: " + made.error().message());
  }
  Runtime& runtime = **made;
  const auto node = Node::make(runtime, std::move(program.node));
  std::optional<SignalWatch> watch;
  watch.emplace([&runtime] { runtime.request_stop(); },
                [&node, &log_file] { reopen_log(node->log(), log_file); });
  std::optional<StatsPrinter> stats;
  if (options.stats) stats.emplace(runtime, *options.stats);
  const ServiceHandle first = options.native ? spawn_native(runtime, *options.native, failed)
                                             : node->spawn_first(std::move(program.script));
  // From here on this thread waits, and wakes others at most: without workers the reactor's thread
  // has the descriptors for itself.
  const int wake_fd = runtime.sockets().wake_fd();
  if (options.tuning.workers == 0 && wake_fd >= 0) {
    leave_descriptor_table({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, wake_fd});
  }
  // Only now: a copy of our table would keep open what the script closes.
  if (!options.native) node->start(first);
  runtime.wait();
  if (stats) stats->services_end();
  drain_output(runtime, first, kDrainLimit);
  stats.reset();
  watch.reset();
  node->lookup().stop();  // Its thread would wake a reactor that is gone.
  // No destructor and no exit handler runs then: the service that hangs may use anything.
  if (!runtime.stop(std::chrono::seconds(options.stop_limit_s))) ::_exit(kExitStuck);
  if (node->has_no_script()) return kExitUsage;
  return failed.load() || node->failed() ? kExitFailed : 0;
}

std::expected<Options, std::string> check(const CommandLine& given,
                                          const std::vector<std::string>& rest) {
  Options options;
  const auto stats = parse_stats(given.stats);
  if (!stats) return std::unexpected(stats.error());
  options.stats = *stats;
  options.trace = given.trace.write;
  options.stop_limit_s = given.stop_limit_s;
  const auto native = parse_native(given.native);
  if (!native) return std::unexpected(native.error());
  options.native = *native;
  if (!options.native) {
    auto program = parse_program(given.config, rest, given.lualib);
    if (!program) return std::unexpected(program.error());
    options.program = std::move(*program);
  } else if (!rest.empty() || !given.config.empty()) {
    return std::unexpected(
        fmt::format("unexpected '{}' beside --native", rest.empty() ? "--config" : rest.front()));
  }
  // The command line comes last: it wins.
  std::string text = options.program.tuning;
  if (!text.empty() && !given.tuning.empty()) text += ",";
  const auto tuning = parse_tuning(text + given.tuning);
  if (!tuning) return std::unexpected("--" + tuning.error());  // "tuning: ..."
  options.tuning = options.native ? native_tuning(*tuning, options.native->mode) : *tuning;
  return options;
}

// Takes out a "--", which ends the options. Errors: an option that nobody knows.
std::expected<std::vector<std::string>, std::string> after_options(std::vector<std::string> rest) {
  if (rest.empty()) return rest;
  const std::string& first = rest.front();
  if (first == "--") {
    rest.erase(rest.begin());
  } else if (first.size() > 1 && first.starts_with('-')) {
    return std::unexpected("unknown option " + first);
  }
  return rest;
}

int start(const CommandLine& given, const std::vector<std::string>& rest) {
  if (given.tuning == "help") {
    print_to(stdout, tuning_help());
    return 0;
  }
  if (given.stats.seconds == "help") {
    print_to(stdout, stats_help());
    return 0;
  }
  const std::string problem = check_trace(given.trace);
  if (!problem.empty()) return usage_error(problem);
  if (!given.trace.read.empty()) {
    if (rest.empty()) return print_trace(given.trace);
    return usage_error(fmt::format("unexpected '{}' beside --read-trace", rest.front()));
  }
  auto options = check(given, rest);
  if (!options) return usage_error(options.error());
  if (const std::string& warning = options->program.warning; !warning.empty()) {
    print_to(stderr, fmt::format("skysock: warning: {}\n", warning));
  }
  return run(std::move(*options));
}

int main(int argc, char** argv) {
  keep_heap();
  // A reader that is gone and a file that may not grow are errors of one write, not the end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  CommandLine given;
  CLI::App app(kDescription, "skysock");
  app.footer(kFooter);
  app.formatter(std::make_shared<Formatter>());
  app.prefix_command();
  app.set_version_flag("--version", "skysock " SKYSOCK_VERSION);
  app.add_option("--config", given.config, "A configuration, whatever its name ends in")
      ->type_name("FILE");
  app.add_option("--tuning", given.tuning,
                 "key=value,... of the node; `--tuning help` lists the keys");
  app.add_option("--lualib", given.lualib, "Directory of skynet.lua and skynet/socket.lua")
      ->capture_default_str();
  app.add_option("--stop-limit", given.stop_limit_s,
                 "Seconds that services may take to end, 0 to 86400")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  add_native_options(app, given.native);
  add_stats_options(app, given.stats);
  add_trace_options(app, given.trace);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print_to(stdout, app.help());
    return 0;
  } catch (const CLI::CallForVersion&) {
    print_to(stdout, app.version() + "\n");
    return 0;
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  const auto rest = after_options(app.remaining());
  return rest ? start(given, *rest) : usage_error(rest.error());
}

}  // namespace
}  // namespace skysock::lua

// NOLINTNEXTLINE(bugprone-exception-escape): only for lack of memory.
int main(int argc, char** argv) { return skysock::lua::main(argc, argv); }
