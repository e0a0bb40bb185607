// The tests of core/net; `net_test --print-cells` runs those of the rule table alone and prints
// which cells they reached. Fails when one that is possible was not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string_view>

#include "core/net/rule_cells.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  const std::string_view asked = argc == 2 ? argv[1] : "";
  if (asked == "--print-rules") {
    std::fputs(skysock::rules_as_markdown().c_str(), stdout);
    return 0;
  }
  if (asked != "--print-cells") return RUN_ALL_TESTS();
  GTEST_FLAG_SET(filter, "EveryCell/RuleCells.*");
  GTEST_FLAG_SET(brief, true);
  const int failed = RUN_ALL_TESTS();
  const skysock::CellMatrix& matrix = skysock::CellMatrix::of_this_run();
  std::fputs(matrix.text().c_str(), stdout);
  return failed != 0 || matrix.missing() > 0 ? 1 : 0;
}
