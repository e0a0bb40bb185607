// Do LinuxSys and SimKernel give the same answers about descriptors, pipes and epoll? Every test
// runs on both; tcp_conformance_test.cpp asks the same about connections. Left out: a full pipe,
// where Linux blocks.

#include <set>

#include "core/sim/conformance.hpp"

namespace skysock::conformance {
namespace {

// ---- Descriptors and pipes

template <typename Sys>
class PipeConformance : public KernelTest<Sys> {};
TYPED_TEST_SUITE(PipeConformance, Kernels, KernelName);

TYPED_TEST(PipeConformance, TheLowestFreeDescriptorIsGivenFirst) {
  const int first = this->own(this->sys.open_spare());
  const int second = this->own(this->sys.open_spare());
  EXPECT_GE(first, 3);
  EXPECT_GT(second, first);
  this->close(first);
  EXPECT_EQ(this->own(this->sys.open_spare()), first);
}

TYPED_TEST(PipeConformance, ASpareOnlyHoldsItsPlace) {
  const int spare = this->own(this->sys.open_spare());
  EXPECT_EQ(this->read(spare), "(end)");
  EXPECT_EQ(this->write(spare, "x"), "EBADF");
  const int set = this->own(this->sys.epoll_create());
  EXPECT_EQ(outcome(this->sys.epoll_add(set, spare, EPOLLIN, 0)), "EPERM");
}

TYPED_TEST(PipeConformance, AnEmptyPipeHasNothingToReadYet) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->read(pipe.read_fd), "EAGAIN");
  EXPECT_TRUE(this->becomes(pipe.read_fd, 0));
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLOUT));
}

TYPED_TEST(PipeConformance, BytesComeOutInOrderAndInPieces) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, "first "), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "second"), "ok");
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLIN));
  EXPECT_EQ(this->read(pipe.read_fd, 8), "first se");
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLIN));
  EXPECT_EQ(this->read(pipe.read_fd), "cond");
  EXPECT_TRUE(this->becomes(pipe.read_fd, 0));
}

TYPED_TEST(PipeConformance, TheEndComesBehindTheBytesOfAClosedWriter) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, "last"), "ok");
  this->close(pipe.write_fd);
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLIN | EPOLLHUP));
  EXPECT_EQ(this->read(pipe.read_fd), "last");
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLHUP));
  EXPECT_EQ(this->read(pipe.read_fd), "(end)");
  EXPECT_EQ(this->read(pipe.read_fd), "(end)");
}

TYPED_TEST(PipeConformance, WritingWhatNobodyCanReadIsABrokenPipe) {
  const PipeEnds pipe = this->make_pipe();
  this->close(pipe.read_fd);
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLOUT | EPOLLERR));
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EPIPE");
}

TYPED_TEST(PipeConformance, APipeHasOneDirection) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->read(pipe.write_fd), "EBADF");
  EXPECT_EQ(this->write(pipe.read_fd, "x"), "EBADF");
}

TYPED_TEST(PipeConformance, AWholePipeIsWrittenAndReadAtOnce) {
  const PipeEnds pipe = this->make_pipe();
  std::string whole(65'536, 'a');
  whole.back() = 'z';
  EXPECT_EQ(this->write(pipe.write_fd, whole), "ok");
  EXPECT_TRUE(this->becomes(pipe.write_fd, 0));
  EXPECT_EQ(this->read(pipe.read_fd, whole.size() + 1), whole);
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLOUT));
}

TYPED_TEST(PipeConformance, AFullPipeNobodyReadsIsNotWritable) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, std::string(65'536, 'a')), "ok");
  this->close(pipe.read_fd);
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLERR));
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EPIPE");
}

// ---- Epoll

template <typename Sys>
class EpollConformance : public KernelTest<Sys> {
 protected:
  int set = -1;
  void SetUp() override {
    KernelTest<Sys>::SetUp();
    set = this->own(this->sys.epoll_create());
  }
  std::string add(int fd, std::uint32_t interest, std::uint64_t data = 0) {
    return outcome(this->sys.epoll_add(set, fd, interest, data));
  }
};
TYPED_TEST_SUITE(EpollConformance, Kernels, KernelName);

TYPED_TEST(EpollConformance, ADescriptorIsAddedOnce) {
  const int fd = this->make_pipe().read_fd;
  EXPECT_EQ(this->add(fd, EPOLLIN), "ok");
  EXPECT_EQ(this->add(fd, EPOLLIN), "EEXIST");
}

TYPED_TEST(EpollConformance, OnlyAMemberIsChangedOrRemoved) {
  const int fd = this->make_pipe().read_fd;
  EXPECT_EQ(outcome(this->sys.epoll_modify(this->set, fd, EPOLLIN, 0)), "ENOENT");
  EXPECT_EQ(outcome(this->sys.epoll_remove(this->set, fd)), "ENOENT");
}

TYPED_TEST(EpollConformance, OnlyASetWatchesAndNeverItself) {
  const int fd = this->make_pipe().read_fd;
  epoll_event event{};
  EXPECT_EQ(outcome(this->sys.epoll_add(fd, this->set, EPOLLIN, 0)), "EINVAL");
  EXPECT_EQ(outcome(this->sys.epoll_wait(fd, {&event, 1}, 0)), "EINVAL");
  EXPECT_EQ(this->add(this->set, EPOLLIN), "EINVAL");
  EXPECT_EQ(outcome(this->sys.epoll_wait(this->set, {}, 0)), "EINVAL");
  EXPECT_EQ(this->read(this->set), "EINVAL");
  EXPECT_EQ(this->write(this->set, "x"), "EINVAL");
}

TYPED_TEST(EpollConformance, ReadinessIsReportedUntilItIsOver) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->wait_one(this->set, 1000), EPOLLIN);
  EXPECT_EQ(this->wait_one(this->set, 1000), EPOLLIN);
  EXPECT_EQ(this->read(pipe.read_fd), "x");
  EXPECT_EQ(this->wait_one(this->set, 0), 0U);
}

TYPED_TEST(EpollConformance, WhatIsReadyBeforeItIsAddedIsReported) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN), "ok");
  EXPECT_EQ(this->wait_one(this->set, 1000), EPOLLIN);
}

TYPED_TEST(EpollConformance, TheDataOfTheLastChangeComesBack) {
  const int fd = this->make_pipe().write_fd;
  EXPECT_EQ(this->add(fd, EPOLLOUT, 1), "ok");
  const std::uint64_t data = 0xFEDC'BA98'7654'3210U;
  EXPECT_EQ(outcome(this->sys.epoll_modify(this->set, fd, EPOLLOUT, data)), "ok");
  epoll_event event{};
  ASSERT_EQ(this->sys.epoll_wait(this->set, {&event, 1}, 1000).value(), 1U);
  EXPECT_EQ(std::uint64_t{event.data.u64}, data);
}

TYPED_TEST(EpollConformance, AnErrorIsReportedUnasked) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.read_fd, 0), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->wait_one(this->set, 0), 0U);
  this->close(pipe.write_fd);
  EXPECT_EQ(this->wait_one(this->set, 1000), EPOLLHUP);
}

TYPED_TEST(EpollConformance, ARemovedDescriptorIsSilentAndMayComeBack) {
  const int fd = this->make_pipe().write_fd;
  EXPECT_EQ(this->add(fd, EPOLLOUT), "ok");
  EXPECT_EQ(outcome(this->sys.epoll_remove(this->set, fd)), "ok");
  EXPECT_EQ(this->wait_one(this->set, 0), 0U);
  EXPECT_EQ(this->add(fd, EPOLLOUT), "ok");
  EXPECT_EQ(this->wait_one(this->set, 1000), EPOLLOUT);
}

TYPED_TEST(EpollConformance, AClosedDescriptorLeavesTheSet) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN), "ok");
  this->close(pipe.read_fd);
  EXPECT_EQ(this->wait_one(this->set, 0), 0U);
  // The number is free for another pipe, of which the set knows nothing.
  const PipeEnds next = this->make_pipe();
  ASSERT_EQ(next.read_fd, pipe.read_fd);
  EXPECT_EQ(this->write(next.write_fd, "x"), "ok");
  EXPECT_EQ(this->wait_one(this->set, 0), 0U);
  EXPECT_EQ(this->add(next.read_fd, EPOLLIN), "ok");
}

TYPED_TEST(EpollConformance, ASmallArrayReportsEverybodyInTurn) {
  constexpr std::uint64_t kMembers = 5;
  for (std::uint64_t data = 0; data < kMembers; ++data) {
    EXPECT_EQ(this->add(this->make_pipe().write_fd, EPOLLOUT, data), "ok");
  }
  std::multiset<std::uint64_t> seen;
  for (std::uint64_t wait = 0; wait < kMembers; ++wait) {
    std::array<epoll_event, 2> events{};
    ASSERT_EQ(this->sys.epoll_wait(this->set, events, 1000).value(), 2U);
    for (const epoll_event& event : events) seen.insert(std::uint64_t{event.data.u64});
  }
  for (std::uint64_t data = 0; data < kMembers; ++data) EXPECT_EQ(seen.count(data), 2U);
}

TYPED_TEST(EpollConformance, AWaitForNothingTakesItsTimeout) {
  const std::int64_t before_ms = this->sys.now_ms();
  EXPECT_EQ(this->wait_one(this->set, 20), 0U);
  EXPECT_GE(this->sys.now_ms() - before_ms, 19);
}

}  // namespace
}  // namespace skysock::conformance
