#include "bench/compare/commands.hpp"

#include <algorithm>
#include <span>
#include <string_view>

#include "bench/counts/counts_command.hpp"

namespace skysock::bench::compare {
namespace {

constexpr Command kCommands[] = {
    {"--compare-peers", compare_peers_command,
     "CPU per operation of the servers as a ratio to plain epoll, interleaved"},
    {"--syscalls", syscalls_command, "system calls per operation, by name"},
    {"--memory", memory_command, "memory per idle connection"},
    {"--control-packets", control_packets_command,
     "control packets per second through a whole server, beside a bare pipe"},
    {"--counts", counts::counts_command,
     "system calls, allocations and instructions per operation, exactly"}};
static_assert(std::ranges::none_of(kCommands, &std::string_view::empty, &Command::question));

}  // namespace

std::span<const Command> commands() { return kCommands; }

std::optional<int> run_command(int argc, char** argv) {
  for (const std::string_view word : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    for (const Command& command : kCommands) {
      if (word == command.flag) return command.run(argc, argv);
    }
  }
  return std::nullopt;
}

}  // namespace skysock::bench::compare
