#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/compare/peers.hpp"
#include "bench/compare/scenario.hpp"
#include "bench/exit_code.hpp"
#include "bench/settings.hpp"

namespace skysock::bench::compare {

/// What all commands let the user choose, first as words, then checked.
struct Options {
  bool command = false;  ///< The flag that chose the command.
  std::string scenario_names;
  std::string only;
  std::vector<std::string> server_texts;
  std::vector<std::string> peer_texts;
  std::string json;
  std::string placement_name = "cross-cpu";
  std::string source_dir;  ///< Default: where this program was built.

  bool starts_servers = false;
  std::vector<Peer> peers;
  std::vector<Peer> left_out;  ///< Chosen, but they cannot run here.
  Placement placement;
};

/// Adds --json and --placement.
void add_output_options(CLI::App& app, Options& options);
/// Adds those, and --server, --peer, --only and --source-dir.
void add_common_options(CLI::App& app, Options& options);

/// Parses; returns the exit code when the command should end now, else -1. After -1 the checked
/// part of `options` is filled, the calling thread is on the load's CPU, and settings() are final;
/// of each server that cannot run here a line has said why.
int parse(CLI::App& app, Options& options, int argc, char** argv);

/// Says what is wrong and returns `code`.
int complain(ExitCode code, const std::string& problem);

/// The servers left out, with the reasons.
nlohmann::ordered_json left_out_json(const Options& options);

/// Raises the limit of open files as far as it goes. Error: fewer than `connections` and what a
/// server needs beside them.
load::Outcome<void> allow_connections(std::size_t connections);

/// What --help says about the servers of every command.
extern const char* const kServerHelp;

}  // namespace skysock::bench::compare
