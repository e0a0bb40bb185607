#pragma once

#include <string>

namespace skysock {

/// What is wrong with the first word of a command line that wants one of `app`'s subcommands; ""
/// when it is one of them, an option, or not there. CLI11 alone says of a word that it does not
/// know that a subcommand is required.
template <typename App>
std::string unknown_command(const App& app, int argc, const char* const* argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (word.empty() || word.starts_with('-')) return {};
  std::string known;
  for (const App* command : app.get_subcommands([](const App*) { return true; })) {
    if (command->get_name() == word) return {};
    known += (known.empty() ? "" : ", ") + command->get_name();
  }
  return "unknown command '" + word + "': expected one of " + known;
}

}  // namespace skysock
