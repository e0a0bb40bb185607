#pragma once

namespace skysock::bench::counts {

/// skysock-bench --counts. Returns the exit code.
int counts_command(int argc, char** argv);

}  // namespace skysock::bench::counts
