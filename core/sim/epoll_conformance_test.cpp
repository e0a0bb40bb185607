// Do LinuxSys and SimKernel report the same of the same descriptors: level-triggered,
// edge-triggered, one-shot? Every test runs on both. Left out: nested sets and EPOLLEXCLUSIVE.

#include <set>

#include "core/sim/conformance.hpp"

namespace skysock::conformance {
namespace {

constexpr std::uint32_t kEnded = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
constexpr std::uint32_t kFailed = kEnded | EPOLLERR;
constexpr std::uint32_t kAll = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

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
  std::string modify(int fd, std::uint32_t interest) {
    return outcome(this->sys.epoll_modify(set, fd, interest, 0));
  }
  /// What the next wait reports, within 5 s.
  std::uint32_t next() { return this->wait_one(set, 5'000); }
  /// Nothing is reported for a moment.
  testing::AssertionResult is_quiet() {
    const std::uint32_t events = this->wait_one(set, 10);
    if (events == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "reports " << names_of(events);
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

TYPED_TEST(EpollConformance, OneWaitReportsEverybodyOnce) {
  constexpr std::uint64_t kMembers = 3;
  const PipeEnds silent = this->make_pipe();
  EXPECT_EQ(this->add(silent.read_fd, EPOLLIN, kMembers), "ok");
  for (std::uint64_t data = 0; data < kMembers; ++data) {
    EXPECT_EQ(this->add(this->make_pipe().write_fd, EPOLLOUT, data), "ok");
  }
  for (int wait = 0; wait < 2; ++wait) {
    std::array<epoll_event, 10> events{};
    ASSERT_EQ(this->sys.epoll_wait(this->set, events, -1).value(), kMembers);
    std::multiset<std::uint64_t> seen;
    for (const epoll_event& event : std::span(events).first(kMembers)) {
      EXPECT_EQ(std::uint32_t{event.events}, EPOLLOUT);
      seen.insert(std::uint64_t{event.data.u64});
    }
    EXPECT_EQ(seen, (std::multiset<std::uint64_t>{0, 1, 2}));
  }
}

TYPED_TEST(EpollConformance, ASecondAddChangesNothing) {
  const int fd = this->make_pipe().write_fd;
  EXPECT_EQ(this->add(fd, EPOLLOUT, 1), "ok");
  EXPECT_EQ(this->add(fd, 0, 2), "EEXIST");
  epoll_event event{};
  ASSERT_EQ(this->sys.epoll_wait(this->set, {&event, 1}, 1'000).value(), 1U);
  EXPECT_EQ(std::uint32_t{event.events}, EPOLLOUT);
  EXPECT_EQ(std::uint64_t{event.data.u64}, 1U);
}

TYPED_TEST(EpollConformance, WhoeverLeftIsUnknown) {
  const int removed = this->make_pipe().write_fd;
  EXPECT_EQ(this->add(removed, EPOLLOUT), "ok");
  EXPECT_EQ(outcome(this->sys.epoll_remove(this->set, removed)), "ok");
  const int closed = this->make_socket();
  EXPECT_EQ(this->add(closed, EPOLLOUT), "ok");
  this->close(closed);
  const int successor = this->make_socket();
  ASSERT_EQ(successor, closed);
  for (const int fd : {removed, successor}) {
    EXPECT_EQ(this->modify(fd, EPOLLOUT), "ENOENT");
    EXPECT_EQ(outcome(this->sys.epoll_remove(this->set, fd)), "ENOENT");
  }
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, SetsAreIndependent) {
  const PipeEnds pipe = this->make_pipe();
  const int other = this->own(this->sys.epoll_create());
  const int third = this->own(this->sys.epoll_create());
  EXPECT_EQ(this->add(pipe.write_fd, EPOLLOUT), "ok");
  for (const int one : {other, third}) {
    EXPECT_EQ(outcome(this->sys.epoll_add(one, pipe.write_fd, EPOLLOUT, 0)), "ok");
  }
  this->close(third);
  EXPECT_EQ(outcome(this->sys.epoll_remove(other, pipe.write_fd)), "ok");
  EXPECT_EQ(this->wait_one(other, 0), 0U);
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(outcome(this->sys.epoll_add(other, pipe.write_fd, EPOLLOUT, 0)), "ok");
  EXPECT_EQ(this->wait_one(other, 0), EPOLLOUT);
  this->close(pipe.write_fd);
  EXPECT_EQ(this->wait_one(other, 0), 0U);
  EXPECT_TRUE(this->is_quiet()) << "a closed descriptor leaves every set";
}

TYPED_TEST(EpollConformance, TheMaskOfTheLastChangeCounts) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, EPOLLIN), "ok");
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->modify(client, EPOLLOUT), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->modify(client, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->modify(client, EPOLLIN | EPOLLET), "ok");
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->send(server, "x"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->modify(client, EPOLLIN), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->next(), EPOLLIN) << "level-triggered again";
}

TYPED_TEST(EpollConformance, AWaitForNothingTakesItsTimeout) {
  const std::int64_t before_ms = this->sys.now_ms();
  EXPECT_EQ(this->wait_one(this->set, 20), 0U);
  EXPECT_GE(this->sys.now_ms() - before_ms, 19);
}

// ---- What is reported unasked

TYPED_TEST(EpollConformance, OnlyErrorAndHangUpAreReportedWhateverTheMask) {
  const int client = this->make_reset_pair().client;
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->add(client, 0), "ok");
  EXPECT_EQ(this->next(), EPOLLERR | EPOLLHUP);
  EXPECT_EQ(this->socket_error(client), "ECONNRESET");
  EXPECT_EQ(this->next(), EPOLLHUP);
}

TYPED_TEST(EpollConformance, AFinIsReadableOrRdhupAsAsked) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, EPOLLIN), "ok");
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->modify(client, EPOLLRDHUP), "ok");
  EXPECT_EQ(this->next(), EPOLLRDHUP);
  EXPECT_EQ(this->modify(client, 0), "ok");
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AFreshSocketHangsUpUnasked) {
  EXPECT_EQ(this->add(this->make_socket(), 0), "ok");
  EXPECT_EQ(this->next(), EPOLLHUP);
}

TYPED_TEST(EpollConformance, AWriteEndWithoutAReaderIsAnErrorUnasked) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.write_fd, 0), "ok");
  EXPECT_TRUE(this->is_quiet());
  this->close(pipe.read_fd);
  EXPECT_EQ(this->next(), EPOLLERR);
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EPIPE");
  EXPECT_EQ(this->next(), EPOLLERR) << "it does not pass by being told";
}

TYPED_TEST(EpollConformance, TwoFinsAreReportedWhateverWasRead) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, EPOLLIN | EPOLLRDHUP), "ok");
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->is_quiet()) << "the own FIN is nothing to read";
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  EXPECT_EQ(this->next(), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
  EXPECT_EQ(this->read(client), "(end)");
  EXPECT_EQ(this->next(), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
  EXPECT_EQ(this->modify(client, 0), "ok");
  EXPECT_EQ(this->next(), EPOLLHUP);
}

TYPED_TEST(EpollConformance, AListenerIsReportedUntilItsLastConnectionIsAccepted) {
  const int listener = this->make_listener();
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_TRUE(this->becomes(this->start_connect(listener), EPOLLOUT));
  }
  EXPECT_EQ(this->add(listener, kAll), "ok");
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_EQ(this->next(), EPOLLIN);
    this->accept(listener);
  }
  EXPECT_TRUE(this->is_quiet());
}

// ---- Edge-triggered

TYPED_TEST(EpollConformance, AnEdgeIsReportedOnce) {
  EXPECT_EQ(this->add(this->make_pipe().write_fd, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, EveryWriteIntoAPipeIsAnEdge) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN | EPOLLET), "ok");
  EXPECT_TRUE(this->is_quiet());
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_TRUE(this->is_quiet()) << "unread bytes are no edge";
  }
  EXPECT_EQ(this->read(pipe.read_fd, 1), "x");
  EXPECT_TRUE(this->is_quiet()) << "what a read left over is no edge";
  this->close(pipe.write_fd);
  EXPECT_EQ(this->next(), EPOLLIN | EPOLLHUP);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, TwoWritesBeforeAWaitAreOneEdge) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN | EPOLLET), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "y"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AnEdgeWhoseCauseIsGoneIsNotReported) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN | EPOLLET), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->read(pipe.read_fd), "x");
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, ModifyingReportsTheEdgeAgain) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN | EPOLLET), "ok");
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_TRUE(this->is_quiet());
    EXPECT_EQ(this->modify(pipe.read_fd, EPOLLIN | EPOLLET), "ok");
  }
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->read(pipe.read_fd), "x");
  EXPECT_EQ(this->modify(pipe.read_fd, EPOLLIN | EPOLLET), "ok");
  EXPECT_TRUE(this->is_quiet()) << "not ready, no edge";
}

TYPED_TEST(EpollConformance, APageOfRoomInAFullPipeIsAnEdge) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, std::string(65'536, 'a')), "ok");
  EXPECT_EQ(this->add(pipe.write_fd, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->read(pipe.read_fd, 4'095).size(), 4'095U);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->read(pipe.read_fd, 1), "a");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->read(pipe.read_fd, 8'192).size(), 8'192U);
  EXPECT_TRUE(this->is_quiet()) << "it was writable before";
}

TYPED_TEST(EpollConformance, EveryArrivalIsAnEdge) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(server, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(this->send(client, "x"), "ok");
    EXPECT_EQ(this->next(), EPOLLIN | EPOLLOUT);
    EXPECT_TRUE(this->is_quiet());
  }
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_EQ(this->next(), kAll);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->read(server), "xx");
  EXPECT_EQ(this->read(server), "(end)");
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AfterAReadOnlyNewBytesAreAnEdge) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(server, EPOLLIN | EPOLLRDHUP | EPOLLET), "ok");
  EXPECT_EQ(this->send(client, "two parts"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->read(server, 3), "two");
  EXPECT_TRUE(this->is_quiet()) << "what a read left over is no edge";
  EXPECT_EQ(this->send(client, "!"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->read(server), " parts!");
  EXPECT_EQ(this->read(server), "EAGAIN");
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->send(client, "more"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->read(server), "more");
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, TheSecondFinIsAnEdgeOfItsOwn) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_TRUE(this->becomes(server, kAll));
  // The acknowledgement of the FIN is an edge on Linux, and may be late.
  EXPECT_TRUE(this->eventually([&] { return this->wait_one(this->set, 10) == 0; }));
  EXPECT_EQ(this->send(server, "last"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN | EPOLLOUT);
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  EXPECT_EQ(this->next(), kEnded);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->read(client), "last");
  EXPECT_EQ(this->read(client), "(end)");
  EXPECT_TRUE(this->is_quiet()) << "reading to the end is no edge";
}

TYPED_TEST(EpollConformance, ReadingAResetToItsEndIsNoEdge) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->send(server, "data"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN | EPOLLOUT);
  EXPECT_EQ(outcome(this->sys.set_option(server, SocketOption::reset_on_close, 1)), "ok");
  this->close(server);
  EXPECT_EQ(this->next(), kFailed);
  for (const char* expected : {"data", "ECONNRESET", "(end)"}) {
    EXPECT_EQ(this->read(client), expected);
    EXPECT_TRUE(this->is_quiet());
  }
  EXPECT_EQ(this->modify(client, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), kEnded);
}

TYPED_TEST(EpollConformance, OnlyTheEndPassesAMaskThatAsksForNothing) {
  const auto [client, server] = this->make_pair();
  const auto [failing, other] = this->make_pair();
  EXPECT_EQ(this->add(client, EPOLLRDHUP | EPOLLET), "ok");
  EXPECT_EQ(this->send(server, "x"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  EXPECT_EQ(this->next(), EPOLLRDHUP);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->add(failing, EPOLLET), "ok");
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(outcome(this->sys.set_option(other, SocketOption::reset_on_close, 1)), "ok");
  this->close(other);
  EXPECT_EQ(this->next(), EPOLLERR | EPOLLHUP);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AddedAgainTheEdgeIsReportedAgain) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(server, "x"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(this->add(client, kAll | EPOLLET), "ok");
    EXPECT_EQ(this->next(), EPOLLIN | EPOLLOUT);
    EXPECT_TRUE(this->is_quiet());
    EXPECT_EQ(outcome(this->sys.epoll_remove(this->set, client)), "ok");
    EXPECT_TRUE(this->is_quiet());
  }
}

TYPED_TEST(EpollConformance, TheLastReaderLeavingIsAnEdge) {
  const PipeEnds pipe = this->make_pipe();
  const PipeEnds full = this->make_pipe();
  EXPECT_EQ(this->write(full.write_fd, std::string(65'536, 'a')), "ok");
  EXPECT_EQ(this->add(pipe.write_fd, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  this->close(pipe.read_fd);
  EXPECT_EQ(this->next(), EPOLLOUT | EPOLLERR);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->add(full.write_fd, EPOLLOUT | EPOLLET), "ok");
  EXPECT_TRUE(this->is_quiet());
  this->close(full.read_fd);
  EXPECT_EQ(this->next(), EPOLLERR);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, EvenAShutdownThatFailsIsAnEdge) {
  const int fd = this->make_socket();
  EXPECT_EQ(this->add(fd, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT | EPOLLHUP);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(outcome(this->sys.shutdown_write(fd)), "ENOTCONN");
  EXPECT_EQ(this->next(), EPOLLOUT | EPOLLHUP);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AShutdownOfAListenerIsAnEdgeWhoseAcceptsGoOn) {
  const int listener = this->make_listener();
  EXPECT_EQ(this->add(listener, EPOLLIN | EPOLLET), "ok");
  EXPECT_EQ(outcome(this->sys.shutdown_write(listener)), "ok");
  EXPECT_TRUE(this->is_quiet()) << "nobody came";
  this->start_connect(listener);
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(outcome(this->sys.shutdown_write(listener)), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_TRUE(this->is_quiet());
  this->accept(listener);
}

TYPED_TEST(EpollConformance, OfTheArrivalsOnlyAFinPassesAMaskWithoutReading) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(server, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->send(client, "x"), "ok");
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
}

TYPED_TEST(EpollConformance, AResetIsAnEdge) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(outcome(this->sys.set_option(server, SocketOption::reset_on_close, 1)), "ok");
  this->close(server);
  EXPECT_EQ(this->next(), kFailed);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->modify(client, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), kFailed);
}

TYPED_TEST(EpollConformance, TheOwnShutdownIsAnEdge) {
  const int client = this->make_pair().client;
  EXPECT_EQ(this->add(client, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
}

TYPED_TEST(EpollConformance, TheAnswerToAConnectIsAnEdge) {
  const int listener = this->make_listener();
  const int client = this->make_socket();
  EXPECT_EQ(outcome(this->sys.connect(client, this->sys.local_endpoint(listener).value())),
            "EINPROGRESS");
  EXPECT_EQ(this->add(client, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(outcome(this->sys.epoll_remove(this->set, client)), "ok");
  const int refused = this->make_socket();
  EXPECT_EQ(this->add(refused, kAll | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT | EPOLLHUP) << "registered before it connects";
  const auto nobody = this->sys.local_endpoint(this->make_bound()).value();
  EXPECT_EQ(outcome(this->sys.connect(refused, nobody)), "EINPROGRESS");
  EXPECT_EQ(this->next(), kFailed);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, EveryNewConnectionOfAListenerIsAnEdge) {
  const int listener = this->make_listener();
  EXPECT_EQ(this->add(listener, EPOLLIN | EPOLLET), "ok");
  EXPECT_TRUE(this->is_quiet());
  for (int turn = 0; turn < 2; ++turn) {
    this->start_connect(listener);
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_TRUE(this->is_quiet());
  }
  this->accept(listener);
  EXPECT_TRUE(this->is_quiet()) << "another one waits, which is no edge";
}

TYPED_TEST(EpollConformance, RoomIsAnEdgeForWhoeverFoundNone) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  const std::size_t sent = this->fill_up(client);
  this->wait_one(this->set, 0);  // What became writable meanwhile was an edge too.
  EXPECT_EQ(this->drain(server, sent), sent);
  EXPECT_EQ(this->next(), EPOLLOUT);
}

TYPED_TEST(EpollConformance, RoomIsNoEdgeForWhoeverNeverMissedIt) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->send(client, "question"), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(server), "question");
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, ASmallArrayKeepsTheOtherEdges) {
  constexpr std::uint64_t kMembers = 5;
  for (std::uint64_t data = 0; data < kMembers; ++data) {
    EXPECT_EQ(this->add(this->make_pipe().write_fd, EPOLLOUT | EPOLLET, data), "ok");
  }
  std::multiset<std::uint64_t> seen;
  for (const std::size_t expected : {2U, 2U, 1U, 0U}) {
    std::array<epoll_event, 2> events{};
    ASSERT_EQ(this->sys.epoll_wait(this->set, events, 0).value(), expected);
    for (const auto& event : std::span(events).first(expected)) {
      seen.insert(std::uint64_t{event.data.u64});
    }
  }
  for (std::uint64_t data = 0; data < kMembers; ++data) EXPECT_EQ(seen.count(data), 1U);
}

TYPED_TEST(EpollConformance, EverySetHasItsOwnEdges) {
  const PipeEnds pipe = this->make_pipe();
  const int other = this->own(this->sys.epoll_create());
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN | EPOLLET), "ok");
  EXPECT_EQ(outcome(this->sys.epoll_add(other, pipe.read_fd, EPOLLIN | EPOLLET, 0)), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->wait_one(other, 1000), EPOLLIN);
  EXPECT_EQ(this->wait_one(other, 0), 0U);
}

// ---- One-shot

TYPED_TEST(EpollConformance, AOneShotIsReportedOnceUntilItIsModified) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN | EPOLLONESHOT), "ok");
  EXPECT_TRUE(this->is_quiet());
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_EQ(this->write(pipe.write_fd, "y"), "ok");
    EXPECT_TRUE(this->is_quiet());
    EXPECT_EQ(this->read(pipe.read_fd), "xy");
    EXPECT_EQ(this->modify(pipe.read_fd, EPOLLIN | EPOLLONESHOT), "ok");
  }
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AnExpiredOneShotDoesNotEvenReportAHangUp) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->add(pipe.read_fd, EPOLLIN | EPOLLONESHOT), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  this->close(pipe.write_fd);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->modify(pipe.read_fd, EPOLLONESHOT), "ok");
  EXPECT_EQ(this->next(), EPOLLHUP);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AnExpiredOneShotIsStillAMember) {
  const int fd = this->make_pipe().write_fd;
  EXPECT_EQ(this->add(fd, EPOLLOUT | EPOLLONESHOT), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->add(fd, EPOLLOUT), "EEXIST");
  EXPECT_EQ(outcome(this->sys.epoll_remove(this->set, fd)), "ok");
  EXPECT_EQ(this->add(fd, EPOLLOUT), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
}

TYPED_TEST(EpollConformance, AOneShotEdgeComesAgainWhenModifiedWhileReady) {
  const auto [client, server] = this->make_pair();
  constexpr std::uint32_t kMask = EPOLLIN | EPOLLRDHUP | EPOLLET | EPOLLONESHOT;
  EXPECT_EQ(this->add(server, kMask), "ok");
  EXPECT_EQ(this->send(client, "x"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->becomes(server, kAll));
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->modify(server, kMask), "ok");
  EXPECT_EQ(this->next(), EPOLLIN | EPOLLRDHUP);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AOneShotThatFoundNoRoomIsNotSpent) {
  constexpr std::uint64_t kMembers = 3;
  for (std::uint64_t data = 0; data < kMembers; ++data) {
    EXPECT_EQ(this->add(this->make_pipe().write_fd, EPOLLOUT | EPOLLONESHOT, data), "ok");
  }
  std::multiset<std::uint64_t> seen;
  for (const std::size_t expected : {2U, 1U, 0U}) {
    std::array<epoll_event, 2> events{};
    ASSERT_EQ(this->sys.epoll_wait(this->set, events, 0).value(), expected);
    for (const auto& event : std::span(events).first(expected)) {
      seen.insert(std::uint64_t{event.data.u64});
    }
  }
  EXPECT_EQ(seen, (std::multiset<std::uint64_t>{0, 1, 2}));
}

TYPED_TEST(EpollConformance, ASpentOneShotLearnsOfTheResetWhenItIsArmed) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->add(client, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT), "ok");
  EXPECT_EQ(this->send(server, "x"), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(outcome(this->sys.set_option(server, SocketOption::reset_on_close, 1)), "ok");
  this->close(server);
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->modify(client, EPOLLOUT | EPOLLONESHOT), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT | EPOLLERR | EPOLLHUP);
  EXPECT_TRUE(this->is_quiet());
}

// ---- Events

TYPED_TEST(EpollConformance, ASignalledEventIsReadableUntilItIsRead) {
  const int event = this->own(this->sys.make_event());
  EXPECT_EQ(this->add(event, EPOLLIN), "ok");
  EXPECT_TRUE(this->is_quiet());
  this->sys.signal_event(event);
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->read(event), std::string("\1\0\0\0\0\0\0\0", 8));
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, EverySignalIsAnEdge) {
  const int event = this->own(this->sys.make_event());
  EXPECT_EQ(this->add(event, EPOLLIN | EPOLLET), "ok");
  for (int turn = 0; turn < 2; ++turn) {
    this->sys.signal_event(event);
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_TRUE(this->is_quiet());
  }
  EXPECT_EQ(this->read(event).size(), 8U);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, ReadingAnEventIsAnEdgeForItsWriters) {
  const int event = this->own(this->sys.make_event());
  EXPECT_EQ(this->add(event, EPOLLIN | EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  this->sys.signal_event(event);
  EXPECT_EQ(this->next(), EPOLLIN | EPOLLOUT);
  EXPECT_EQ(this->read(event).size(), 8U);
  EXPECT_EQ(this->next(), EPOLLOUT);
}

TYPED_TEST(EpollConformance, AnEventAtItsLimitIsWritableAgainWhenItIsRead) {
  const int event = this->own(this->sys.make_event());
  EXPECT_EQ(this->write(event, "\xfe" + std::string(7, '\xff')), "ok");
  EXPECT_EQ(this->add(event, EPOLLOUT | EPOLLET), "ok");
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->read(event).size(), 8U);
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, AddingNothingToAnEventWakesButIsNothingToRead) {
  const int event = this->own(this->sys.make_event());
  EXPECT_EQ(this->add(event, EPOLLIN | EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->write(event, std::string(8, '\0')), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_EQ(this->read(event), "EAGAIN");
  EXPECT_TRUE(this->is_quiet());
}

// ---- Datagrams

TYPED_TEST(EpollConformance, ADatagramIsReportedUntilTheQueueIsEmpty) {
  const int sender = this->make_datagrams();
  const int level = this->make_datagrams();
  const int edge = this->make_datagrams();
  for (const int receiver : {level, edge}) {
    for (const char* text : {"one", "two"}) {
      EXPECT_EQ(this->send_to(sender, text, this->local(receiver)), "ok");
      EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
    }
  }
  EXPECT_EQ(this->add(level, EPOLLIN), "ok");
  for (const char* text : {"one", "two"}) {
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_EQ(this->read(level), text);
  }
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->add(edge, EPOLLIN | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLIN);
  EXPECT_EQ(this->read(edge, 1), "o");
  EXPECT_TRUE(this->is_quiet()) << "the second datagram is no edge";
  EXPECT_EQ(this->read(edge), "two");
}

TYPED_TEST(EpollConformance, AnIcmpErrorIsReportedUnaskedUntilItIsTaken) {
  const int sender = this->make_datagrams();
  EXPECT_EQ(outcome(this->sys.set_option(sender, SocketOption::report_icmp, 1)), "ok");
  EXPECT_EQ(this->add(sender, 0), "ok");
  EXPECT_EQ(this->send_to(sender, "x", this->nobody()), "ok");
  EXPECT_EQ(this->next(), EPOLLERR);
  EXPECT_EQ(this->next(), EPOLLERR);
  EXPECT_EQ(this->receive_from(sender), "ECONNREFUSED");
  EXPECT_TRUE(this->is_quiet());
}

TYPED_TEST(EpollConformance, EveryDatagramIsAnEdge) {
  const int sender = this->make_datagrams();
  const int receiver = this->make_datagrams();
  EXPECT_EQ(this->add(receiver, EPOLLIN | EPOLLET), "ok");
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(this->send_to(sender, "", this->local(receiver)), "ok");
    EXPECT_EQ(this->next(), EPOLLIN);
    EXPECT_TRUE(this->is_quiet());
  }
}

TYPED_TEST(EpollConformance, ADatagramThatLeftIsAnEdge) {
  const int sender = this->make_datagrams();
  EXPECT_EQ(this->add(sender, EPOLLOUT | EPOLLET), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
  EXPECT_TRUE(this->is_quiet());
  EXPECT_EQ(this->send_to(sender, "x", this->local(this->make_datagrams())), "ok");
  EXPECT_EQ(this->next(), EPOLLOUT);
}

TYPED_TEST(EpollConformance, AnIcmpErrorIsAnEdge) {
  const int sender = this->make_datagrams();
  EXPECT_EQ(outcome(this->sys.set_option(sender, SocketOption::report_icmp, 1)), "ok");
  EXPECT_EQ(this->add(sender, EPOLLIN | EPOLLET), "ok");
  EXPECT_EQ(this->send_to(sender, "x", this->nobody()), "ok");
  EXPECT_EQ(this->next(), EPOLLERR);
  EXPECT_TRUE(this->is_quiet());
}

}  // namespace
}  // namespace skysock::conformance
