#pragma once

// What the benchmarks share that give a stepped service one message after another.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "bench/lua/messages.hpp"
#include "bench/lua/node.hpp"

namespace skysock::bench {

/// What is to come out of messages in the service, which answers `look`, `lines` and `counts`
/// (bench/lua/counted.lua).
struct Steps {
  ServiceHandle service = 0;
  MessageSource source;
  std::string (*line_of)(const MessageSource&);  ///< What the service says of a message.
  std::int64_t sum = 0;                          ///< What a message adds to its sum.
  std::int64_t bytes = 0;                        ///< Of a message; 0: they do not matter.
};

/// Checks a batch, word for word, and counts what it allocates; then times batches, which must all
/// have arrived in the end.
void run_steps(benchmark::State& state, LuaNode& node, Steps& steps);

}  // namespace skysock::bench
