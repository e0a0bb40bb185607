// A server for the tests of skysock-perf and skysock-bench: echoes, or misbehaves as told. It
// prints the line that every server of the suite prints. Usage: tiny_echo_server [--spin N] [--flaw
// NAME] [--mute |
// --die]

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <map>

#include "bench/load/tiny_echo.hpp"

int main(int argc, char** argv) {
  using skysock::load::Flaw;
  const std::map<std::string, Flaw> flaws = {{"none", Flaw::none},
                                             {"flip_byte", Flaw::flip_byte},
                                             {"close_early", Flaw::close_early},
                                             {"silent", Flaw::silent},
                                             {"crash", Flaw::crash}};
  skysock::load::TinyEchoOptions options;
  bool mute = false;
  bool die = false;
  CLI::App app("echo server for tests", "tiny_echo_server");
  app.add_option("--spin", options.spin, "rounds of mixing burnt per read");
  app.add_option("--flaw", options.flaw, "what to do wrong")
      ->transform(CLI::CheckedTransformer(flaws));
  app.add_option("--flaw-at", options.flaw_at, "on which read of each connection, from 1");
  app.add_flag("--mute", mute, "never print the line");
  app.add_flag("--die", die, "end before printing the line");
  CLI11_PARSE(app, argc, argv);
  if (die) {
    fmt::print(stderr, "tiny_echo_server: told to die\n");
    return 3;
  }
  while (mute) pause();
  const auto listener = skysock::load::listen_on_loopback();
  if (!listener) {
    fmt::print(stderr, "tiny_echo_server: {}\n", listener.error());
    return 1;
  }
  fmt::print("listening on 127.0.0.1:{}\n", skysock::load::port_of(*listener));
  std::fflush(stdout);
  skysock::load::serve_tiny_echo(*listener, -1, options);
}
