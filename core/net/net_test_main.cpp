// The tests of core/net, and what they can tell of the rule table:
//   net_test --print-rules                       the table, as in RULES.md
//   net_test --print-cells                       runs the tests of its cells and prints which cells
//                                                they reached; fails when a possible one was not
//   net_test --print-cells --gtest_filter=...    the same of other tests: every step of their
//   worlds
//   net_test --has-io-uring                      exit code 77, and why, where it cannot be had

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string_view>

#include "core/net/rule_cells.hpp"
#include "core/sys/linux_uring.hpp"

namespace {

bool asks(std::span<char*> arguments, std::string_view what) {
  return std::ranges::any_of(
      arguments, [&](const char* one) { return std::string_view(one).starts_with(what); });
}

/// Without it tests that ask for it run on epoll, and pass: 77 has ctest say that they were
/// skipped.
int has_io_uring() {
  constexpr int kSkipped = 77;
  const auto ring = skysock::LinuxUring::create(1);
  if (ring) return 0;
  std::printf("io_uring cannot be had here: %s\n", ring.error().message().c_str());
  return kSkipped;
}

int print_cells() {
  const int failed = RUN_ALL_TESTS();
  const skysock::CellMatrix& matrix = skysock::CellMatrix::of_this_run();
  std::fputs(matrix.text().c_str(), stdout);
  return failed != 0 || matrix.missing() > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  const bool prints = asks(arguments, "--print-cells");
  const bool filtered = asks(arguments, "--gtest_filter");
  if (asks(arguments, "--print-rules")) {
    std::fputs(skysock::rules_as_markdown().c_str(), stdout);
    return 0;
  }
  if (asks(arguments, "--has-io-uring")) return has_io_uring();
  testing::InitGoogleMock(&argc, argv);
  if (!prints) return RUN_ALL_TESTS();
  GTEST_FLAG_SET(brief, true);
  if (filtered) skysock::CellMatrix::of_this_run().count_every_step();
  if (!filtered) GTEST_FLAG_SET(filter, "EveryCell/RuleCells.*");
  return print_cells();
}
