#pragma once

// What the server programs of this folder have in common: command line, signals, the line they
// print.

#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "bench/peers/listener.hpp"

namespace skysock::bench {

struct ServerOptions {
  ServerMode mode = ServerMode::echo;
  std::string host;
  std::uint16_t port = 0;
};

inline void add_server_options(CLI::App& app, ServerOptions& options) {
  static const std::map<std::string, ServerMode> modes = {
      {"echo", ServerMode::echo},         {"sink", ServerMode::sink},
      {"source", ServerMode::source},     {"broadcast", ServerMode::broadcast},
      {"udp_echo", ServerMode::udp_echo}, {"connect", ServerMode::connect}};
  constexpr const char* kNames = "echo|sink|source|broadcast|udp_echo|connect";
  const auto choose = [&options](const std::string& name) {
    const auto found = modes.find(name);
    if (found == modes.end()) {
      throw CLI::ValidationError("--mode", "'" + name + "': expected " + kNames);
    }
    options.mode = found->second;
  };
  app.add_option_function<std::string>("--mode", choose,
                                       "echo: send everything back; sink: count and compare; "
                                       "source: send a stream until the peer closes; broadcast: "
                                       "what a connection sends behind a first 'p' goes to all "
                                       "whose first byte was 's'; udp_echo: send every datagram "
                                       "back; connect: make the connections that lines 'HOST PORT "
                                       "COUNT IN_FLIGHT' order")
      ->type_name(kNames)
      ->default_str("echo");
  app.add_option("HOST", options.host, "address to listen on, e.g. 127.0.0.1")->required();
  app.add_option("PORT", options.port, "port to listen on; 0: any free one, see the printed line")
      ->required();
  app.footer(
      "Prints one line, 'listening on HOST:PORT', when it accepts. SIGTERM and SIGINT end it.\n"
      "Exit codes: 0 ended by a signal; 1 could not serve; 2 wrong command line.");
}

/// Parses; returns the exit code when the program should end now, else -1.
inline int parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return -1;
}

/// SIGTERM and SIGINT, blocked for this thread and every thread it starts from now on.
inline sigset_t block_end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// The whole program `name`: serves with `serve(listener, stop, mode)` until a signal ends it.
/// `check()` says why it cannot run here, before it listens. Returns the exit code.
template <typename Check, typename Serve>
int run_server(const char* name, const char* description, int argc, char** argv, Check&& check,
               Serve&& serve) {
  CLI::App app(description, name);
  ServerOptions options;
  add_server_options(app, options);
  if (const int code = parse_command_line(app, argc, argv); code >= 0) return code;
  const auto complain = [name](const std::string& problem) {
    fmt::print(stderr, "{}: {}\n", name, problem);
    return 1;
  };
  if (const load::Outcome<void> usable = check(); !usable) return complain(usable.error());
  const sigset_t signals = block_end_signals();
  const load::Fd stop(signalfd(-1, &signals, SFD_CLOEXEC));
  const auto listener = open_for(options.mode, options.host, options.port);
  if (!listener) return complain(listener.error());
  fmt::print("listening on {}:{}\n", options.host, port_of(*listener));
  std::fflush(stdout);
  const load::Outcome<void> served = serve(*listener, stop.get(), options.mode);
  return served ? 0 : complain(served.error());
}

}  // namespace skysock::bench
