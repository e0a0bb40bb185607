#pragma once

#include <set>
#include <string>
#include <vector>

#include "bench/counts/record.hpp"

namespace skysock::bench::counts {

/// What a check came to. `differences` and `missing` hold one line per finding.
struct Comparison {
  std::vector<std::string> differences;  ///< Metrics beyond what is allowed, better or worse.
  std::vector<std::string> missing;      ///< Scenarios that one side lacks.
  std::vector<std::string> notes;        ///< What was not compared, and why.
};

/// What instructions may differ by, in percent. Lua's vary with the seed of its hashes and with
/// addresses, which an unrelated change can move.
double allowed_percent(const std::string& scenario);

/// Compares what was counted `now` with a `baseline`. System calls and allocations must be equal;
/// instructions are compared where both have them, and only when the fingerprints are equal.
/// `left_out`: scenarios that this kernel cannot run.
Comparison compare(const Record& baseline, const Record& now,
                   const std::set<std::string>& left_out = {});

/// Two runs of one program: the differences, one line each.
std::vector<std::string> compare_runs(const Record& first, const Record& second);

}  // namespace skysock::bench::counts
