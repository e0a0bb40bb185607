// A kernel that forbids io_uring: is that said once, in clear words, and does the node serve?

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <thread>

#include "core/service/runtime.hpp"

namespace skysock {
namespace {

/// For this thread and those it starts, io_uring_setup(2) gives EPERM from now on.
void forbid_uring() {
  constexpr std::uint32_t kNumber = offsetof(seccomp_data, nr);
  std::array filter = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

std::string said_by_a_node(const char* tuning) {
  testing::internal::CaptureStderr();
  std::jthread([&] {
    forbid_uring();
    const auto node = Runtime::start(parse_tuning(tuning).value());
    ASSERT_TRUE(node.has_value());
    EXPECT_EQ((*node)->sockets().poller().kind, PollerKind::epoll_lt);
    EXPECT_TRUE((*node)->sockets().listen(1, "127.0.0.1", 0).has_value());
  }).join();
  return testing::internal::GetCapturedStderr();
}

TEST(PollerFallback, AForbiddenIoUringIsSaidOnceAndTheNodeServes) {
  for (const char* tuning : {"poller=io_uring,workers=0", "poller=io_uring,workers=2"}) {
    EXPECT_EQ(said_by_a_node(tuning),
              "skysock: warning: poller=io_uring cannot be had here (Operation not permitted): "
              "epoll_lt is used instead\n");
  }
}

TEST(PollerFallback, WhoDidNotAskHearsNothing) { EXPECT_EQ(said_by_a_node("poller=epoll_lt"), ""); }

}  // namespace
}  // namespace skysock
