#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace skysock::bench::compare {

/// A command with options of its own.
struct Command {
  std::string_view flag;
  int (*run)(int argc, char** argv);
  std::string_view question;  ///< For --help and --list.
};

std::span<const Command> commands();

/// Runs the command that the arguments choose with --compare-peers, --syscalls, --memory,
/// --control-packets or --counts, and returns its exit code; none when they choose none.
std::optional<int> run_command(int argc, char** argv);

int compare_peers_command(int argc, char** argv);
int syscalls_command(int argc, char** argv);
int memory_command(int argc, char** argv);
int control_packets_command(int argc, char** argv);

}  // namespace skysock::bench::compare
