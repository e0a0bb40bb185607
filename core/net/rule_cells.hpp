#pragma once

// Which cells of the rule table the tests of this run reached, and how that is shown.

#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "core/net/connection_state.hpp"

namespace skysock {

struct RuleCell {
  State state;
  Input input;
  [[nodiscard]] std::string name() const {
    return std::string(to_text(state)) + "__" + std::string(to_text(input));
  }
};

/// For GoogleTest's messages.
inline void PrintTo(const RuleCell& cell, std::ostream* out) { *out << cell.name(); }

/// The cells that have a rule, in the table's order.
inline std::vector<RuleCell> possible_cells() {
  std::vector<RuleCell> cells;
  for (std::size_t state = 0; state < kStateCount; ++state) {
    for (std::size_t input = 0; input < kInputCount; ++input) {
      const RuleCell cell{.state = static_cast<State>(state), .input = static_cast<Input>(input)};
      if (find_rule(cell.state, cell.input) != nullptr) cells.push_back(cell);
    }
  }
  return cells;
}

/// The names of the tests that reached each cell: filled by the tests, read when all have run.
class CellMatrix {
 public:
  static CellMatrix& of_this_run() {
    static CellMatrix matrix;
    return matrix;
  }

  void reached(RuleCell cell, std::string test) { at(cell) = std::move(test); }

  /// From now on, a step that a test's world takes reaches its cell, too.
  void count_every_step() { counts_steps_ = true; }
  [[nodiscard]] bool counts_steps() const { return counts_steps_; }
  void stepped(const Rule& rule) {
    std::string& first = at({.state = rule.from, .input = rule.input});
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    if (!first.empty() || test == nullptr) return;
    first = std::string(test->test_suite_name()) + "." + test->name();
  }

  /// `.` cannot occur, `x` reached, `!` possible and not reached; below it a line per cell.
  [[nodiscard]] std::string text() const {
    std::string text = "  inputs, from left to right:";
    for (std::size_t input = 0; input < kInputCount; ++input) {
      text += std::string(input % 8 == 0 ? "\n    " : " ") + name_of(input);
    }
    text += '\n';
    for (std::size_t state = 0; state < kStateCount; ++state) text += row(state);
    std::string lines;
    for (const RuleCell& cell : possible_cells()) {
      const std::string& test = tests_[index(cell.state)][index(cell.input)];
      lines += std::string(to_text(cell.state)) + ' ' + std::string(to_text(cell.input)) + " -> " +
               (test.empty() ? "NO TEST" : test) + '\n';
    }
    return text + '\n' + lines + summary() + '\n';
  }

  [[nodiscard]] std::size_t missing() const {
    std::size_t count = 0;
    for (const RuleCell& cell : possible_cells()) {
      count += tests_[index(cell.state)][index(cell.input)].empty() ? 1 : 0;
    }
    return count;
  }

  [[nodiscard]] std::string summary() const {
    const std::size_t all = possible_cells().size();
    return std::to_string(all) + " cells are possible, " + std::to_string(all - missing()) +
           " reached, " + std::to_string(missing()) + " empty";
  }

 private:
  template <typename Enum>
  static std::size_t index(Enum of) {
    return static_cast<std::size_t>(of);
  }
  static std::string name_of(std::size_t input) {
    return std::string(to_text(static_cast<Input>(input)));
  }
  std::string& at(RuleCell cell) { return tests_[index(cell.state)][index(cell.input)]; }

  [[nodiscard]] std::string row(std::size_t state) const {
    std::string text(to_text(static_cast<State>(state)));
    text.resize(22, ' ');
    for (std::size_t input = 0; input < kInputCount; ++input) {
      const bool possible = find_rule(static_cast<State>(state), static_cast<Input>(input));
      text += !possible ? " ." : tests_[state][input].empty() ? " !" : " x";
    }
    return text + '\n';
  }

  std::array<std::array<std::string, kInputCount>, kStateCount> tests_;
  bool counts_steps_ = false;
};

}  // namespace skysock
