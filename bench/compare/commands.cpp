#include "bench/compare/commands.hpp"

#include <span>
#include <string_view>

namespace skysock::bench::compare {
namespace {

struct Command {
  std::string_view flag;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {{"--compare-peers", compare_peers_command},
                                 {"--syscalls", syscalls_command},
                                 {"--memory", memory_command},
                                 {"--control-packets", control_packets_command}};

}  // namespace

std::optional<int> run_command(int argc, char** argv) {
  for (const std::string_view word : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    for (const Command& command : kCommands) {
      if (word == command.flag) return command.run(argc, argv);
    }
  }
  return std::nullopt;
}

}  // namespace skysock::bench::compare
