#pragma once

namespace skysock::bench {

/// How skysock-bench ends when it ran benchmarks or listed them.
enum ExitCode { kPassed = 0, kFailed = 1, kUsage = 2, kMeasuredNothing = 5 };

}  // namespace skysock::bench
