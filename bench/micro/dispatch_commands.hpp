#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/micro/command_server.hpp"

namespace skysock::bench {

/// How many commands a batch gives before the server polls: they and their kernel objects fit every
/// buffer on the way.
inline constexpr std::uint64_t kDispatchBatch = 64;

/// A command that may be given again and again, or two of which one undoes the other.
struct DispatchCommand {
  std::string name;           ///< Letters of the packets, then what they do.
  std::uint64_t packets = 1;  ///< Per command.
  /// Gives a batch, lets it be carried out and checks what came of it.
  load::Outcome<void> (*batch)(CommandServer& server) = nullptr;
  bool cheap = false;                ///< Carrying it out needs no system call.
  std::uint64_t packets_beside = 0;  ///< Per batch, for the check.
};

const std::vector<DispatchCommand>& dispatch_commands();

}  // namespace skysock::bench
