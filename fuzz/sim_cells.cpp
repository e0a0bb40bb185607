#include "fuzz/sim_cells.hpp"

#include <fmt/format.h>

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

std::string SimCells::text() const {
  std::string text;
  for_each_possible([&](std::size_t state, std::size_t input) {
    text += fmt::format("{:<22} {:<18} {}\n", to_text(State{static_cast<std::uint8_t>(state)}),
                        to_text(Input{static_cast<std::uint8_t>(input)}), steps[state][input]);
  });
  return text;
}

}  // namespace skysock::fuzz
