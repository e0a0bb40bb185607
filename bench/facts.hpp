#pragma once

#include <string>
#include <utility>
#include <vector>

namespace skysock::bench {

/// What a number needs to mean something later: placement, tuning, compiler, flags, git commit,
/// kernel, CPU. Requires: settings() are final.
std::vector<std::pair<std::string, std::string>> facts();

/// Puts facts() into the context of Google Benchmark's output.
void add_context();

}  // namespace skysock::bench
