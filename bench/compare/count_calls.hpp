#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "bench/compare/call_table.hpp"
#include "bench/compare/lane.hpp"
#include "bench/compare/options.hpp"

namespace skysock::bench::compare {

/// A count ends in one of two ways that differ in whose fault it is.
struct CountFailure {
  ExitCode code;  ///< kFailed: the server; kCannotRun: this machine.
  std::string text;
};

/// Makes `operations` twice: unmeasured, then with strace attached to all threads of the server,
/// from one idle moment to the next. Requires: the lane is not paused; its load has operations.
std::expected<CountedCalls, CountFailure> count_calls(Lane& lane, std::uint64_t operations);

}  // namespace skysock::bench::compare
