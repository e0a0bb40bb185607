#pragma once

#include "stress/options.hpp"
#include "stress/result.hpp"

namespace skysock::stress {

/// The whole run: starts the server (if one is to be), the clients, watches them, ends them, and
/// merges what they report. Blocks for the duration and the bounded time to start and to end;
/// SIGINT or SIGTERM end it early (a second one at once). Shows progress on standard error.
/// Requires: a single-threaded process.
Result run_stress(const Options& options);

}  // namespace skysock::stress
