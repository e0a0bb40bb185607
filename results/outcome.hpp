#pragma once

#include <expected>
#include <string>

namespace skysock::results {

/// What every skysock-perf command ends with. A larger rank hides a smaller one: crash > timing.
enum ExitCode : int {
  kPass = 0,
  kFound = 1,  ///< A confirmed regression; of summary: a crash or a failed stress run.
  kUsage = 2,
  kUnresolved = 4,  ///< Only with --strict; the default warns and passes.
  kNothingMeasured = 5,
};

/// Why a command cannot go on: the exit code and one sentence for a person.
struct Problem {
  ExitCode code = kNothingMeasured;
  std::string text;
};

template <typename T>
using Outcome = std::expected<T, Problem>;

inline std::unexpected<Problem> problem(ExitCode code, std::string text) {
  return std::unexpected(Problem{code, std::move(text)});
}

}  // namespace skysock::results
