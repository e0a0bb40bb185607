#include "fuzz/sim_cells.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace skysock::fuzz {
namespace {

template <typename Do>
void for_each_possible(Do what) {
  for (std::size_t state = 0; state < kStateCount; ++state) {
    for (std::size_t input = 0; input < kInputCount; ++input) {
      if (detail::rule_of(State{static_cast<std::uint8_t>(state)},
                          Input{static_cast<std::uint8_t>(input)}) != nullptr) {
        what(state, input);
      }
    }
  }
}

}  // namespace

std::size_t SimCells::reached() const {
  std::size_t count = 0;
  for_each_possible(
      [&](std::size_t state, std::size_t input) { count += steps[state][input] > 0 ? 1 : 0; });
  return count;
}

std::size_t SimCells::possible() {
  std::size_t count = 0;
  for_each_possible([&](std::size_t, std::size_t) { ++count; });
  return count;
}

void SimCells::count_fault(Call call, int error) {
  const auto row = std::ranges::find(kFaultCalls, call);
  const auto column = std::ranges::find(kFaultErrors, error);
  if (row == kFaultCalls.end() || column == kFaultErrors.end()) return;
  ++faults[static_cast<std::size_t>(row - kFaultCalls.begin())]
          [static_cast<std::size_t>(column - kFaultErrors.begin())];
}

std::size_t SimCells::faults_reached() const {
  std::size_t count = 0;
  for (const auto& row : faults) {
    count += static_cast<std::size_t>(
        std::ranges::count_if(row, [](std::uint64_t times) { return times > 0; }));
  }
  return count;
}

std::string SimCells::text(bool missing) const {
  std::string text;
  const auto add = [&](std::string_view row, std::string_view column, std::uint64_t times) {
    if (!missing || times == 0) text += fmt::format("{:<22} {:<18} {}\n", row, column, times);
  };
  for_each_possible([&](std::size_t state, std::size_t input) {
    add(to_text(State{static_cast<std::uint8_t>(state)}),
        to_text(Input{static_cast<std::uint8_t>(input)}), steps[state][input]);
  });
  for (std::size_t call = 0; call < kFaultCalls.size(); ++call) {
    for (std::size_t error = 0; error < kFaultErrors.size(); ++error) {
      add(kCallNames[static_cast<std::size_t>(kFaultCalls[call])],
          strerrorname_np(kFaultErrors[error]), faults[call][error]);
    }
  }
  return text;
}

}  // namespace skysock::fuzz
