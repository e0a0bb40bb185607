#pragma once

namespace skysock::bench {

/// Puts what a number needs to mean something later into the output's context: placement, tuning,
/// compiler, flags, git commit, kernel, CPU. Requires: settings() are final.
void add_context();

}  // namespace skysock::bench
