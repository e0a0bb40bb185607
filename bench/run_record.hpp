#pragma once

// The JSON file of a command of skysock-bench that does without Google Benchmark.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/load/outcome.hpp"

namespace skysock::bench {

/// The start of every file: what is measured (`kind`) and on what (`facts`). Requires: settings()
/// are final.
nlohmann::ordered_json new_record(const std::string& kind);

/// Adds what the machine did meanwhile and how long it took, and writes the record to `path`,
/// unless that is empty. For what is not whole yet. Error: names the file and `flag`, which asked
/// for it.
load::Outcome<void> keep_record(nlohmann::ordered_json record, const std::string& path,
                                const char* flag = "--json");

/// The same at the end of a command: also says if the machine was busy.
load::Outcome<void> write_record(nlohmann::ordered_json record, const std::string& path,
                                 const char* flag = "--json");

}  // namespace skysock::bench
