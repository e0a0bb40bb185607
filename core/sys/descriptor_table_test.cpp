// Has a thread that leaves the process's descriptor table one of its own, with only what it kept?

#include "core/sys/descriptor_table.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <latch>
#include <thread>

namespace skysock {
namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(DescriptorTable, WhoLeavesKeepsOnlyWhatItNames) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  std::thread([&] {
    leave_descriptor_table({ends[1]});
    EXPECT_FALSE(is_open(ends[0]));
    EXPECT_TRUE(is_open(ends[1]));
    EXPECT_EQ(write(ends[1], "x", 1), 1);
  }).join();
  EXPECT_TRUE(is_open(ends[0])) << "the others keep theirs";
  char byte = 0;
  EXPECT_EQ(read(ends[0], &byte, 1), 1);
  close(ends[0]);
  close(ends[1]);
}

/// Else a socket that its owner closes would live on.
TEST(DescriptorTable, TheFirstThreadOfTheProcessKeepsNothingAliveEither) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) _exit(2);
    std::latch left(1);
    std::latch done(1);
    bool ended = false;
    std::thread other([&] {
      left.wait();
      close(ends[1]);
      char byte = 0;
      ended = read(ends[0], &byte, 1) == 0;  // Waits for ever while a copy is open.
      done.count_down();
    });
    leave_descriptor_table({});
    left.count_down();
    done.wait();
    other.join();
    _exit(ended && !is_open(ends[0]) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace skysock
