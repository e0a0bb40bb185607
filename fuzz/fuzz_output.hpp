#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace skysock::fuzz {

/// What a libFuzzer process said about itself, taken from its output line by line.
/// Source: libFuzzer's status lines ("#N NEW cov: ..."), final statistics and crash report.
struct FuzzOutput {
  std::uint64_t executions = 0;
  std::uint64_t edges = 0;
  std::uint64_t corpus_units = 0;
  std::uint64_t new_units = 0;
  std::string artifact;  ///< The input that crashed; empty when there was none.

  /// Lines that say nothing of this are ignored. `line` has no line end.
  void take_line(std::string_view line);
};

}  // namespace skysock::fuzz
