#pragma once

namespace skysock::bench::counts {

/// How --counts ends; its help says the same.
enum ExitCode {
  kPassed = 0,
  kFailed = 1,  ///< A scenario failed, two runs differ, or a file cannot be used.
  kUsage = 2,
  kChanged = 3,   ///< A metric is not the baseline's.
  kMissing = 5,   ///< A scenario is on one side only.
  kCannotRun = 6  ///< An instrumented build, or valgrind is missing.
};

}  // namespace skysock::bench::counts
