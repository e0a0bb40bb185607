#pragma once

// What `skysock` runs: a script, or what a configuration of skynet's form says.

#include <expected>
#include <string>
#include <vector>

#include "lua/bindings/node.hpp"

namespace skysock::lua {

struct Program {
  Script script;  ///< The first service.
  Node::Options node;
  std::string tuning;   ///< What the configuration says of it: key=value, or "".
  std::string warning;  ///< "", or what of the configuration has no meaning here.
};

/// `config`: the file of --config, or "". `rest`: otherwise SCRIPT.lua and its arguments, which may
/// look like options, or CONFIG. A file whose name does not end in .lua is a configuration. Errors:
/// a sentence that says what was expected; for a configuration with file, line and key.
std::expected<Program, std::string> parse_program(const std::string& config,
                                                  const std::vector<std::string>& rest,
                                                  const std::string& lualib);

}  // namespace skysock::lua
