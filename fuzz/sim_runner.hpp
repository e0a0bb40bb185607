#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "fuzz/sim_cells.hpp"
#include "fuzz/sim_program.hpp"

namespace skysock::fuzz {

/// What became of a program in a process of its own.
struct SimRun {
  bool passed = false;
  std::string what;  ///< Why not, in a line: a CHECK of server, kernel or model, or a sanitizer's.
  std::string output;  ///< All that the process wrote to standard error.
};

/// Runs the program in this process, which a difference ends. Returns a number that depends on all
/// that could be observed.
std::uint64_t run_here(const SimProgram& program);

/// Does `work` in a process of its own. After `limit_s` it counts as an endless loop.
SimRun run_apart(const std::function<void()>& work, unsigned limit_s);
SimRun run_apart(const SimProgram& program, unsigned limit_s = 10);

/// The output but for the line of a failed check, which `what` has.
std::string without_reason(const SimRun& run);

/// What a run of random programs came to.
struct SimTally {
  std::uint64_t programs = 0;
  std::uint64_t operations = 0;
  std::uint64_t trace = 0;  ///< Depends on everything observed in all of them, in order.
  double seconds = 0;
  double cpu_seconds = 0;  ///< Known at the end. Other work on the machine does not count.
  SimCells cells;
  std::optional<std::uint64_t> failed;  ///< Number of the program that did not pass.
  /// Why not, if no program failed, but the process that ran them all, at its end: a leak.
  std::string failed_at_end;

  [[nodiscard]] bool passed() const { return !failed && failed_at_end.empty(); }
};

/// Which random programs: the first `count` of `seed`, or fewer when `limit_s` is over.
struct SimRange {
  std::uint64_t seed = 1;
  std::uint64_t count = 0;
  double limit_s = 0;  ///< 0: none.
};

/// Program `number` of `seed`.
SimProgram numbered_program(std::uint64_t seed, std::uint64_t number);

/// Runs them one after another in one other process, until one fails. `progress` is called ever so
/// often.
SimTally run_random(const SimRange& range, const std::function<void(const SimTally&)>& progress);

/// The program without whatever is not needed for it to fail: operations, then arguments. `fails`
/// is asked of smaller and smaller ones. Requires: it fails.
SimProgram shrunk(SimProgram program, const std::function<bool(const SimProgram&)>& fails);
/// Of one that fails with `what`. `tried` counts the programs that were run.
SimProgram shrunk(SimProgram program, const std::string& what, std::uint64_t& tried);

}  // namespace skysock::fuzz
