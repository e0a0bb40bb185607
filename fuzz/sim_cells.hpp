#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/net/connection_rules.hpp"
#include "core/sim/sim_kernel.hpp"
#include "fuzz/fault_choices.hpp"

namespace skysock::fuzz {

/// Which cells of the rule table programs reached, which call failed with which errno, and how
/// often. Plain memory, so that it may be shared with the process that runs them.
struct SimCells {
  std::array<std::array<std::uint64_t, kInputCount>, kStateCount> steps{};
  std::array<std::array<std::uint64_t, kFaultErrors.size()>, kFaultCalls.size()> faults{};

  void count(const Rule& rule) {
    ++steps[static_cast<std::size_t>(rule.from)][static_cast<std::size_t>(rule.input)];
  }
  void count_fault(Call call, int error);
  [[nodiscard]] std::uint64_t steps_of(State state, Input input) const {
    return steps[static_cast<std::size_t>(state)][static_cast<std::size_t>(input)];
  }
  [[nodiscard]] std::size_t reached() const;
  [[nodiscard]] std::size_t faults_reached() const;
  /// Cells that can be reached at all.
  static std::size_t possible();
  static constexpr std::size_t faults_possible() {
    return kFaultCalls.size() * kFaultErrors.size();
  }
  /// A line per possible cell: state and input, or call and errno, and how often. `missing`: only
  /// of those that were not reached.
  [[nodiscard]] std::string text(bool missing = false) const;
};

/// From now on every step of every world counts there; nullptr: nowhere.
void count_steps_in(SimCells* cells);
/// Counts the faults that a world's kernel met.
void count_faults(const SimKernel& kernel);

}  // namespace skysock::fuzz
