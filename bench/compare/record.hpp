#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/load/outcome.hpp"
#include "bench/settings.hpp"

namespace skysock::bench::compare {

/// The start of every JSON file: what was measured and on what. Requires: settings() are final.
nlohmann::ordered_json new_record(const std::string& kind);

/// Puts into the record whether the machine was busy meanwhile ("busy": the reasons) and writes it
/// to `path`, unless that is empty. For what is not whole yet. Error: names the file.
load::Outcome<void> keep_record(nlohmann::ordered_json record, const std::string& path);

/// The same at the end of a command: also says if the machine was busy.
load::Outcome<void> write_record(nlohmann::ordered_json record, const std::string& path);

/// "servers on cpu 0, load on cpu 1".
std::string placement_text(const Placement& placement);

}  // namespace skysock::bench::compare
