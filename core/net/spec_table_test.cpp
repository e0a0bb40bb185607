// Is every rule of the code the one that the specification asks for? One test per state holds its
// rules against a table that was written by hand. Whether the reactor does what its rules say is
// the business of rule_cells_test.cpp.

#include "core/net/spec_table.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace skysock {
namespace {

/// What happens, in the words of RULES.md.
std::string text_of(State to, Emit emit, Act act) {
  std::string text = fmt::format("-> {}", to_text(to));
  if (emit != Emit::nothing) text += fmt::format(", tells {}", to_text(emit));
  if (act != Act::nothing) text += fmt::format(", does {}", to_text(act));
  return text;
}

std::string specified(State state, Input input) {
  const SpecCell& cell = spec_cell(state, input);
  return cell.possible() ? text_of(cell.after(state), cell.emit, cell.act) : "impossible";
}

std::string coded(State state, Input input) {
  const Rule* rule = find_rule(state, input);
  return rule == nullptr ? "impossible" : text_of(rule->to, rule->emit, rule->act);
}

class SpecTableOf : public testing::TestWithParam<State> {};

TEST_P(SpecTableOf, TheCodeHasTheRulesOfTheSpecification) {
  for (std::size_t at = 0; at < kInputCount; ++at) {
    const auto input = static_cast<Input>(at);
    const std::string says = specified(GetParam(), input);
    const std::string does = coded(GetParam(), input);
    EXPECT_TRUE(says == does) << to_text(GetParam()) << " + " << to_text(input)
                              << "\n  specification: " << says << "\n  code:          " << does;
  }
}

std::vector<State> all_states() {
  std::vector<State> states;
  for (const SpecState& of : spec::kTable) states.push_back(of.state);
  return states;
}

INSTANTIATE_TEST_SUITE_P(EveryState, SpecTableOf, testing::ValuesIn(all_states()),
                         [](const auto& state) { return std::string(to_text(state.param)); });

/// Each word is where its name is: else two mistakes could hide each other.
TEST(SpecTable, ACellIsFoundUnderItsName) {
  EXPECT_EQ(spec_cell(State::plisten, Input::start).emit, Emit::open_start);
  EXPECT_EQ(spec_cell(State::udp, Input::set_address).act, Act::set_address);
  EXPECT_EQ(spec_cell(State::connected, Input::close_flushed).act, Act::finish_write);
  EXPECT_EQ(spec_cell(State::reserved, Input::listen_ready).to, State::plisten);
  EXPECT_EQ(spec_cell(State::listening, Input::accepted).emit, Emit::accept);
  EXPECT_EQ(spec_cell(State::udp, Input::datagram).emit, Emit::udp);
  EXPECT_EQ(spec_cell(State::connected, Input::eof).to, State::halfclose_read);
  EXPECT_EQ(spec_cell(State::accept_paused, Input::deadline).to, State::listening);
}

TEST(SpecTable, KnowsSoManyCells) {
  std::size_t cells = 0;
  for (const SpecState& of : spec::kTable) {
    for (const auto member : kSpecMembers) cells += (of.*member).possible() ? 1 : 0;
  }
  EXPECT_EQ(cells, 451U) << "of " << kStateCount << " states x " << kInputCount << " inputs";
}

}  // namespace
}  // namespace skysock
