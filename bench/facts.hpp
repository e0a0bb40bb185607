#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/machine.hpp"

namespace skysock::bench {

/// What a number needs to mean something later: placement, tuning, compiler, flags, git commit,
/// libraries, kernel, CPU, its frequency and governor, and how loaded the machine was before.
/// Requires: settings() are final.
std::vector<std::pair<std::string, std::string>> facts();

/// Watches since the first call: main() makes it before anything runs.
const load::QuietWatch& quiet_watch();

/// Adds how long it all took, `took_s`, and what the machine did meanwhile: `others_share`,
/// `stolen_share`, and `busy`, the reasons for distrust.
void add_noise(nlohmann::ordered_json& record);

/// One line on standard error when the machine was too busy to measure on.
void say_if_busy();

/// Puts facts() into the context of Google Benchmark's output.
void add_context();

}  // namespace skysock::bench
