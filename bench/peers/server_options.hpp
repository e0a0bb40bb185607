#pragma once

// The command line of the server program of this folder.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "bench/peers/raw_epoll.hpp"

namespace skysock::bench {

struct ServerOptions {
  ServerMode mode = ServerMode::echo;
  std::string host;
  std::uint16_t port = 0;
};

using ServerModes = std::map<std::string, ServerMode>;

/// `modes`: what this program can do, by name.
inline void add_server_options(CLI::App& app, ServerOptions& options, const ServerModes& modes) {
  std::string names;
  for (const auto& [name, mode] : modes) names += (names.empty() ? "" : "|") + name;
  const auto choose = [&options, modes, names](const std::string& name) {
    const auto found = modes.find(name);
    if (found == modes.end()) {
      throw CLI::ValidationError("--mode", "'" + name + "': expected " + names);
    }
    options.mode = found->second;
  };
  app.add_option_function<std::string>("--mode", choose,
                                       "echo: send everything back; sink: count and compare; "
                                       "source: send a stream until the peer closes")
      ->type_name(names)
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

}  // namespace skysock::bench
