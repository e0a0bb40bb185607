#pragma once

#include <string>

namespace skysock::bench {

/// skysock-bench --list: prints every registered benchmark's family, the scenarios and the
/// commands, and writes the same to `json` unless that is empty. Returns the exit code: 1 when a
/// benchmark has no description or the file cannot be written, 5 when no benchmark matches the
/// filter. Requires: Google Benchmark was told to list.
int list_command(const std::string& json);

}  // namespace skysock::bench
