#pragma once

#include <string>
#include <vector>

#include "results/inputs.hpp"
#include "results/outcome.hpp"

namespace skysock::results {

/// One line of the nightly table: what, how much, and whether it is as it should be.
struct SummaryRow {
  std::string what;
  std::string value;
  bool good = true;
};

/// The short table of a night, from whatever is present.
std::vector<SummaryRow> summarise(const Inputs& inputs);

/// What a night must hold: accepts and forward_message of ours and of the baseline when benchmarks
/// were asked for. Returns a sentence for each that is missing or did no work.
std::vector<std::string> missing_parts(const Inputs& inputs);

/// 5 when a part is missing, did no work, crashed or failed; else 1 when the comparison regressed;
/// else 0.
ExitCode summary_exit_code(const Inputs& inputs);

/// The table with aligned columns, for a terminal.
std::string format_table(const std::vector<SummaryRow>& rows);

/// "1.235 M": four significant digits.
std::string count_text(double value);

/// "1.235 MiB"
std::string bytes_text(double value);

}  // namespace skysock::results
