#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "bench/counts/record.hpp"
#include "bench/load/outcome.hpp"

namespace skysock::bench::counts {

/// What one run of the program counted_scenarios said.
struct Counted {
  Record record;  ///< Without a reason; the fingerprint is that of the libraries.
  std::set<std::string> left_out;
};

struct CountingFailure {
  int exit_code;  ///< Of the command: see its help.
  std::string text;
};

/// Runs the program of our own folder twice at once, in an environment without surprises: no
/// address randomisation, no choice by CPU. No names: all scenarios. The runs agree.
std::expected<Counted, CountingFailure> count_twice(const std::vector<std::string>& names);
/// The same under callgrind: only instructions are in the record. io_uring is left out: valgrind
/// holds its lock in calls of it that wait.
std::expected<Counted, CountingFailure> instructions_twice(const std::vector<std::string>& names);

/// One line of the program's output into `counted`. `instructions`: of the process that counted it,
/// by pid; otherwise its calls and allocations are taken. Error: what the scenario failed with.
load::Outcome<void> take_line(const std::string& line, Counted& counted);

}  // namespace skysock::bench::counts
