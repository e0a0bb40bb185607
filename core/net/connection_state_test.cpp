// Is the table that people read the one that the reactor obeys? (That it is complete is proved at
// compile time.)

#include "core/net/connection_state.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace skysock {
namespace {

TEST(ConnectionState, TheWrittenTableIsTheOneInTheCode) {
  const std::string path = SKYSOCK_SOURCE_DIR "/core/net/RULES.md";
  if (std::getenv("SKYSOCK_WRITE_RULES") != nullptr) std::ofstream(path) << rules_as_markdown();
  std::ifstream file(path);
  const std::string written((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(written, rules_as_markdown()) << "run net_test with SKYSOCK_WRITE_RULES=1";
}

TEST(ConnectionState, EveryStateAndInputHasANameOfItsOwn) {
  std::string names;
  for (std::size_t at = 0; at < kStateCount; ++at) {
    const std::string name = "|" + std::string(to_text(static_cast<State>(at))) + "|";
    EXPECT_EQ(names.find(name), std::string::npos) << name;
    names += name;
  }
  for (std::size_t at = 0; at < kInputCount; ++at) {
    const std::string name = "|" + std::string(to_text(static_cast<Input>(at))) + "|";
    EXPECT_EQ(names.find(name), std::string::npos) << name;
    names += name;
  }
}

TEST(ConnectionState, AnImpossiblePairHasNoRule) {
  EXPECT_EQ(find_rule(State::listening, Input::received), nullptr);
  EXPECT_EQ(find_rule(State::free, Input::deadline), nullptr);
  ASSERT_NE(find_rule(State::connected, Input::eof), nullptr);
  EXPECT_EQ(find_rule(State::connected, Input::eof)->to, State::halfclose_read);
}

}  // namespace
}  // namespace skysock
