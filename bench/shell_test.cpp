// Does a command's caller get all that it wrote, and how it ended?

#include "bench/shell.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>

namespace skysock::bench {
namespace {

TEST(Shell, GivesStandardOutputAndExitCode) {
  const auto ended = run_command("echo one; echo two >/dev/null; printf three; exit 7");
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->output, "one\nthree");
  EXPECT_EQ(ended->exit_code, 7);
}

TEST(Shell, MoreThanAPipeHoldsAndZeroBytesComeWhole) {
  const auto ended = run_command("head -c 300000 /dev/zero");
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->output, std::string(300'000, '\0'));
  EXPECT_EQ(ended->exit_code, 0);
}

TEST(Shell, ASignalIsNoExitCode) {
  const auto ended = run_command("echo before; kill -9 $$");
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->output, "before\n");
  EXPECT_EQ(ended->exit_code, -1);
}

TEST(Shell, SaysWhenNoneStarts) {
  const std::string reason = load::errno_text(EMFILE);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto ended = run_command("true");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error(), "cannot start a shell: " + reason);
}

}  // namespace
}  // namespace skysock::bench
