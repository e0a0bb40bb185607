#pragma once

#include <cstdint>

namespace skysock::bench {

/// How each command of skysock-bench ends, and the program that counts for it; their --help says
/// which they use.
enum ExitCode : std::uint8_t {
  kPassed = 0,
  kFailed = 1,  ///< A benchmark, server or scenario failed, or a file cannot be used.
  kUsage = 2,
  kOverBudget = 3,       ///< With --gate.
  kChanged = 3,          ///< --counts: a metric is not the baseline's.
  kMeasuredNothing = 5,  ///< No benchmark matches the filter.
  kMissing = 5,          ///< --counts: a scenario is on one side only.
  kCannotRun = 6,        ///< An instrumented build, or this machine lacks something.
};

}  // namespace skysock::bench
