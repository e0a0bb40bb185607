#pragma once

#include <optional>

namespace skysock::bench::compare {

/// Runs the command that the arguments choose with --compare-peers, --syscalls, --memory or
/// --control-packets, and returns its exit code; none when they choose none.
std::optional<int> run_command(int argc, char** argv);

int compare_peers_command(int argc, char** argv);
int syscalls_command(int argc, char** argv);
int memory_command(int argc, char** argv);
int control_packets_command(int argc, char** argv);

}  // namespace skysock::bench::compare
