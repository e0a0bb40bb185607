#pragma once

#include <string>

#include "bench/load/outcome.hpp"

namespace skysock::bench {

struct CommandEnd {
  int exit_code = -1;  ///< -1: a signal ended it.
  std::string output;  ///< What it wrote to standard output.
};

/// Runs `command` with the shell until it ended and its output is closed. Error: no shell starts.
load::Outcome<CommandEnd> run_command(const std::string& command);

}  // namespace skysock::bench
