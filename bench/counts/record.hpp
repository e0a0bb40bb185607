#pragma once

// What one run of --counts found, and its file: sorted, one metric a line, so that a diff reads
// well.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/load/outcome.hpp"

namespace skysock::bench::counts {

/// By name: kInstructions, kAllocations, kBytes, or kCallPrefix and the name of a system call.
using Metrics = std::map<std::string, double>;

inline constexpr const char* kInstructions = "instructions_per_operation";
inline constexpr const char* kAllocations = "allocations_per_operation";
inline constexpr const char* kBytes = "allocated_bytes_per_operation";
inline constexpr const char* kCallPrefix = "syscalls_per_operation.";

struct Record {
  std::string reason;                              ///< Of its last change.
  std::map<std::string, std::string> fingerprint;  ///< What instructions depend on.
  std::map<std::string, Metrics> scenarios;
};

load::Outcome<Record> parse_record(const std::string& text, const std::string& path);
/// Error: names the file and what was expected in it.
load::Outcome<Record> read_record(const std::string& path);
/// Into the object that becomes the file.
void add_record(const Record& record, nlohmann::ordered_json& file);

}  // namespace skysock::bench::counts
