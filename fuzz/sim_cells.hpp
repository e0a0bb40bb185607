#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/net/connection_rules.hpp"

namespace skysock::fuzz {

/// Which cells of the rule table programs reached, and how often. Plain memory, so that it may be
/// shared with the process that runs them.
struct SimCells {
  std::array<std::array<std::uint64_t, kInputCount>, kStateCount> steps{};

  void count(const Rule& rule) {
    ++steps[static_cast<std::size_t>(rule.from)][static_cast<std::size_t>(rule.input)];
  }
  [[nodiscard]] std::size_t reached() const;
  /// Cells that can be reached at all.
  static std::size_t possible();
  /// A line per possible cell: state, input, how often.
  [[nodiscard]] std::string text() const;
};

/// From now on every step of every world counts there; nullptr: nowhere.
void count_steps_in(SimCells* cells);

}  // namespace skysock::fuzz
