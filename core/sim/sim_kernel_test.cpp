// Does the simulated kernel do what only it can: a far end played by the test, a clock that only
// the test moves, planned failures, small buffers, the same world every time? What it shares with
// Linux is in kernel_conformance_test.cpp and tcp_conformance_test.cpp.

#include "core/sim/sim_kernel.hpp"

#include <gtest/gtest.h>

namespace skysock {
namespace {

const Endpoint kHere = Endpoint::from_numeric("127.0.0.1", 8001).value();
const Endpoint kFar = Endpoint::from_numeric("198.51.100.7", 80).value();

class SimKernelTest : public testing::Test {
 protected:
  explicit SimKernelTest(SimOptions options = {}) : sys(options) {}

  int make_listener(const Endpoint& at = kHere, int backlog = 16) {
    const int fd = sys.stream_socket(at.family()).value();
    EXPECT_TRUE(sys.bind(fd, at));
    EXPECT_TRUE(sys.listen(fd, backlog));
    return fd;
  }

  int start_connect(const Endpoint& to) {
    const int fd = sys.stream_socket(to.family()).value();
    EXPECT_EQ(sys.connect(fd, to).error(), std::errc::operation_in_progress);
    return fd;
  }

  Result<std::size_t> send(int fd, std::string_view text) {
    const iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    return sys.send(fd, {&part, 1});
  }

  std::string read(int fd, std::size_t bytes_max = 100) {
    std::string text(bytes_max, '\0');
    const auto got = sys.read(fd, std::as_writable_bytes(std::span(text)));
    return got ? text.substr(0, *got) : got.error().message();
  }

  std::uint32_t ready(int fd) {
    const int set = sys.epoll_create().value();
    EXPECT_TRUE(sys.epoll_add(set, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 0));
    epoll_event event{};
    const bool any = sys.epoll_wait(set, {&event, 1}, 0).value() == 1;
    sys.close(set);
    return any ? event.events : 0;
  }

  SimKernel sys;
};

// ---- Remote hosts

TEST_F(SimKernelTest, ARemoteClientIsAcceptedAndTalks) {
  const int listener = make_listener();
  SimPeer peer = sys.dial(kHere).value();
  const AcceptedSocket accepted = sys.accept(listener).value();
  EXPECT_EQ(accepted.peer.text(), peer.local().text());
  EXPECT_EQ(peer.remote().text(), kHere.text());
  EXPECT_EQ(peer.send("hello"), 5U);
  EXPECT_EQ(read(accepted.fd), "hello");
  EXPECT_EQ(send(accepted.fd, "welcome").value(), 7U);
  EXPECT_EQ(peer.read(3), "wel");
  EXPECT_EQ(peer.read(), "come");
  EXPECT_FALSE(peer.at_end());
}

TEST_F(SimKernelTest, ARemoteClientSeesTheEndsOfTheLocalSide) {
  const int listener = make_listener();
  SimPeer finished = sys.dial(kHere).value();
  SimPeer reset = sys.dial(kHere).value();
  const int first = sys.accept(listener).value().fd;
  const int second = sys.accept(listener).value().fd;
  reset.send("never read");
  sys.close(first);
  sys.close(second);
  EXPECT_TRUE(finished.at_end());
  EXPECT_FALSE(finished.was_reset());
  EXPECT_TRUE(reset.at_end());
  EXPECT_TRUE(reset.was_reset());
  EXPECT_EQ(reset.send("x"), 0U);
}

TEST_F(SimKernelTest, ARemoteClientEndsInEachWay) {
  const int listener = make_listener();
  SimPeer half = sys.dial(kHere).value();
  SimPeer closes = sys.dial(kHere).value();
  SimPeer resets = sys.dial(kHere).value();
  const int half_fd = sys.accept(listener).value().fd;
  const int closed_fd = sys.accept(listener).value().fd;
  const int reset_fd = sys.accept(listener).value().fd;
  half.shutdown_write();
  closes.close();
  resets.reset();
  EXPECT_EQ(read(half_fd), "");
  EXPECT_EQ(send(half_fd, "still there").value(), 11U);
  EXPECT_EQ(half.read(), "still there");
  EXPECT_EQ(ready(closed_fd), std::uint32_t{EPOLLIN | EPOLLOUT | EPOLLRDHUP});
  EXPECT_EQ(ready(reset_fd), std::uint32_t{EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP});
  EXPECT_EQ(sys.take_socket_error(reset_fd).value(), ECONNRESET);
}

TEST_F(SimKernelTest, ADialNeedsAListenerWithRoom) {
  EXPECT_EQ(sys.dial(kHere).error(), std::errc::connection_refused);
  make_listener(kHere, 0);
  const auto taken = sys.dial(kHere);
  EXPECT_TRUE(taken);
  EXPECT_EQ(sys.dial(kHere).error(), std::errc::timed_out);
}

/// As Linux answers, where no call of Syscalls can do it.
TEST_F(SimKernelTest, AListenerThatIsShutHangsUpWithoutAnErrorAndResetsItsBacklog) {
  const int listener = make_listener(kHere);
  const SimPeer peer = sys.dial(kHere).value();
  EXPECT_TRUE(sys.has_listener(kHere));
  sys.shut_listener(kHere);
  EXPECT_EQ(ready(listener), std::uint32_t{EPOLLOUT | EPOLLHUP});
  EXPECT_EQ(sys.take_socket_error(listener).value(), 0);
  EXPECT_EQ(sys.accept(listener).error(), std::errc::invalid_argument);
  EXPECT_TRUE(peer.was_reset());
  EXPECT_EQ(sys.dial(kHere).error(), std::errc::connection_refused);
}

TEST_F(SimKernelTest, AWildcardListenerIsReachedAtEveryAddressOfItsFamily) {
  const int listener = make_listener(Endpoint::from_numeric("0.0.0.0", 8001).value());
  const SimPeer peer = sys.dial(kHere).value();
  const int fd = sys.accept(listener).value().fd;
  EXPECT_EQ(sys.local_endpoint(fd).value().text(), kHere.text());
  EXPECT_FALSE(sys.dial(Endpoint::from_numeric("::1", 8001).value()));
}

TEST_F(SimKernelTest, Ipv6HasItsOwnListeners) {
  const Endpoint there = Endpoint::from_numeric("::1", 8001).value();
  const int listener = make_listener(there);
  make_listener(kHere);
  const SimPeer peer = sys.dial(there).value();
  EXPECT_EQ(sys.accept(listener).value().peer.host(), "2001:db8::1");
  const int v4 = sys.stream_socket(AF_INET).value();
  EXPECT_EQ(sys.connect(v4, there).error(), std::errc::address_family_not_supported);
  EXPECT_EQ(sys.bind(v4, there).error(), std::errc::address_family_not_supported);
  EXPECT_EQ(sys.stream_socket(AF_UNIX).error(), std::errc::address_family_not_supported);
}

TEST_F(SimKernelTest, AConnectToANobodyIsRefusedInTheNextStep) {
  const int fd = start_connect(kFar);
  EXPECT_EQ(sys.take_socket_error(fd).value(), 0);
  sys.step();
  EXPECT_EQ(sys.take_socket_error(fd).value(), ECONNREFUSED);
}

TEST_F(SimKernelTest, ARemoteHostAcceptsInTheOrderOfTheConnects) {
  sys.set_remote(kFar, RemoteAnswer::accept);
  const int first = start_connect(kFar);
  const int second = start_connect(kFar);
  EXPECT_FALSE(sys.take_remote(kFar));
  EXPECT_EQ(ready(first), std::uint32_t{EPOLLOUT});
  SimPeer far_first = sys.take_remote(kFar).value();
  SimPeer far_second = sys.take_remote(kFar).value();
  EXPECT_FALSE(sys.take_remote(kFar));
  EXPECT_EQ(send(first, "one").value(), 3U);
  EXPECT_EQ(send(second, "two").value(), 3U);
  EXPECT_EQ(far_first.read(), "one");
  EXPECT_EQ(far_second.read(), "two");
  EXPECT_EQ(sys.peer_endpoint(first).value().text(), kFar.text());
}

TEST_F(SimKernelTest, AnIgnoredConnectWaitsUntilTheRemoteHostAnswers) {
  sys.set_remote(kFar, RemoteAnswer::ignore);
  const int accepted = start_connect(kFar);
  EXPECT_EQ(ready(accepted), 0U);
  sys.set_remote(kFar, RemoteAnswer::accept);
  EXPECT_EQ(ready(accepted), std::uint32_t{EPOLLOUT});

  sys.set_remote(kFar, RemoteAnswer::ignore);
  const int refused = start_connect(kFar);
  EXPECT_EQ(ready(refused), 0U);
  sys.set_remote(kFar, RemoteAnswer::refuse);
  EXPECT_NE(ready(refused) & EPOLLERR, 0U);
}

TEST_F(SimKernelTest, AConnectGivenUpIsNeverAccepted) {
  sys.set_remote(kFar, RemoteAnswer::accept);
  sys.close(start_connect(kFar));
  sys.step();
  EXPECT_FALSE(sys.take_remote(kFar));
}

TEST_F(SimKernelTest, AConnectWaitsForRoomInTheBacklog) {
  const int listener = make_listener(kHere, 0);
  const SimPeer first = sys.dial(kHere).value();
  const int waiting = start_connect(kHere);
  EXPECT_EQ(ready(waiting), 0U);
  EXPECT_TRUE(sys.accept(listener));
  EXPECT_EQ(ready(waiting), std::uint32_t{EPOLLOUT});
}

TEST_F(SimKernelTest, AConnectMayAnswerAtOnce) {
  sys.options().connect_at_once = true;
  sys.set_remote(kFar, RemoteAnswer::accept);
  const int fd = sys.stream_socket(AF_INET).value();
  EXPECT_TRUE(sys.connect(fd, kFar));
  EXPECT_TRUE(sys.take_remote(kFar));
  const int refused = sys.stream_socket(AF_INET).value();
  EXPECT_EQ(sys.connect(refused, kHere).error(), std::errc::connection_refused);
  sys.set_remote(kFar, RemoteAnswer::ignore);
  EXPECT_EQ(ready(start_connect(kFar)), 0U);
}

// ---- Buffers

class SmallBuffersTest : public SimKernelTest {
 protected:
  SmallBuffersTest() : SimKernelTest({.buffers = {.send_bytes = 6, .window_bytes = 4}}) {
    listener = make_listener();
    peer.emplace(sys.dial(kHere).value());
    fd = sys.accept(listener).value().fd;
  }
  int listener = -1;
  int fd = -1;
  std::optional<SimPeer> peer;
};

TEST_F(SmallBuffersTest, ASendTakesWhatSendBufferAndWindowHold) {
  EXPECT_EQ(send(fd, "0123456789abc").value(), 10U);
  EXPECT_EQ(send(fd, "x").error(), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(ready(fd), 0U);
  EXPECT_EQ(peer->read(1), "0");
  EXPECT_EQ(send(fd, "abc").value(), 1U);
  EXPECT_EQ(peer->read(), "123456789a");
}

TEST_F(SmallBuffersTest, WritableNeedsAThirdOfTheSendBuffer) {
  EXPECT_EQ(send(fd, "0123456789").value(), 10U);
  EXPECT_EQ(peer->read(1), "0");
  EXPECT_EQ(ready(fd), 0U);
  EXPECT_EQ(peer->read(1), "1");
  EXPECT_EQ(ready(fd), std::uint32_t{EPOLLOUT});
}

TEST_F(SmallBuffersTest, OneReadTakesAtMostTheWindow) {
  EXPECT_EQ(peer->send("0123456789"), 10U);
  EXPECT_EQ(read(fd), "0123");
  EXPECT_EQ(read(fd), "4567");
  EXPECT_EQ(read(fd), "89");
}

TEST_F(SmallBuffersTest, AFinWaitsBehindBytesThatHaveNoRoom) {
  peer->send("0123456789");
  peer->shutdown_write();
  EXPECT_EQ(ready(fd), std::uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(read(fd, 6), "0123");
  EXPECT_EQ(read(fd, 2), "45");
  EXPECT_EQ(ready(fd), std::uint32_t{EPOLLIN | EPOLLOUT | EPOLLRDHUP});
}

TEST_F(SmallBuffersTest, AResetTakesTheSendBufferWithIt) {
  peer->send("0123456789");
  peer->reset();
  EXPECT_EQ(read(fd), "0123");
  EXPECT_EQ(read(fd), std::make_error_code(std::errc::connection_reset).message());
}

TEST_F(SmallBuffersTest, WhatWasReadBeforeAResetDoesNotCountAsItsWindow) {
  peer->send("0123456789");
  EXPECT_EQ(read(fd, 3), "012");
  peer->reset();
  EXPECT_EQ(read(fd), "3456");
  EXPECT_EQ(read(fd), std::make_error_code(std::errc::connection_reset).message());
}

TEST_F(SmallBuffersTest, AResetTakesAFinThatHadNotLeftWithIt) {
  peer->send("0123456789");
  peer->shutdown_write();
  peer->reset();
  EXPECT_EQ(read(fd), "0123");
  EXPECT_EQ(read(fd), std::make_error_code(std::errc::connection_reset).message());
}

TEST_F(SmallBuffersTest, ALimitedSendIsShortAndAZeroLimitTriesAgain) {
  sys.limit_next_send(2);
  sys.limit_next_send(0);
  EXPECT_EQ(send(fd, "0123").value(), 2U);
  EXPECT_EQ(send(fd, "23").error(), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(send(fd, "23").value(), 2U);
  EXPECT_EQ(peer->read(), "0123");
}

TEST_F(SimKernelTest, AFullPipeTriesAgainAndKeepsSmallWritesWhole) {
  const PipeEnds pipe = sys.make_pipe().value();
  const std::vector<std::byte> bytes(Pipe::kCapacityBytes);
  const auto write = [&](std::size_t count) {
    return sys.write(pipe.write_fd, std::span(bytes).first(count));
  };
  EXPECT_EQ(write(Pipe::kCapacityBytes - 10).value(), Pipe::kCapacityBytes - 10);
  EXPECT_EQ(write(11).error(), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(write(10).value(), 10U);
  EXPECT_EQ(write(Pipe::kCapacityBytes).error(), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(read(pipe.read_fd, 100).size(), 100U);
  EXPECT_EQ(ready(pipe.write_fd), 0U);  // Writable promises room for an atomic write.
  EXPECT_EQ(write(Pipe::kAtomicBytes + 1).value(), 100U);
}

// ---- Descriptors

TEST_F(SimKernelTest, WhatADescriptorMovedIsCounted) {
  const int listener = make_listener();
  SimPeer peer = sys.dial(kHere).value();
  const int fd = sys.accept(listener).value().fd;
  peer.send("hello");
  std::array<std::byte, 3> room{};
  EXPECT_EQ(sys.receive(fd, room).value(), 3U);
  EXPECT_EQ(read(fd), "lo");
  EXPECT_EQ(send(fd, "four").value(), 4U);
  EXPECT_EQ(sys.traffic(fd).read_bytes, 5U);
  EXPECT_EQ(sys.traffic(fd).sent_bytes, 4U);
  EXPECT_EQ(sys.socket_traffic().read_bytes, 3U) << "read() is for any descriptor";
  const int datagrams = sys.datagram_socket(AF_INET).value();
  const SimUdpPeer there = sys.udp_peer(*Endpoint::from_numeric("10.0.0.1", 53));
  EXPECT_EQ(sys.send_to(datagrams, std::as_bytes(std::span("abc", 3)), there.local()).value(), 3U);
  EXPECT_EQ(sys.traffic(datagrams).datagrams_sent, 1U);
  EXPECT_EQ(sys.socket_traffic().datagrams_sent, 1U);
  EXPECT_EQ(sys.socket_traffic().sent_bytes, 7U);
  sys.close(fd);
  EXPECT_EQ(sys.socket_traffic().sent_bytes, 7U);
  const int again = sys.stream_socket(AF_INET).value();
  ASSERT_EQ(again, fd);
  EXPECT_EQ(sys.traffic(again).sent_bytes, 0U);
}

TEST_F(SimKernelTest, TheEpollSetSaysWhatItWatches) {
  const int set = sys.epoll_create().value();
  const int event = sys.make_event().value();
  EXPECT_TRUE(sys.watched().empty());
  ASSERT_TRUE(sys.epoll_add(set, event, EPOLLIN | EPOLLONESHOT, 7));
  ASSERT_EQ(sys.watched().size(), 1U);
  EXPECT_EQ(sys.watched().front().data, 7U);
  EXPECT_TRUE(sys.watched().front().enabled);
  sys.signal_event(event);
  epoll_event ready{};
  EXPECT_EQ(sys.epoll_wait(set, {&ready, 1}, 0).value(), 1U);
  EXPECT_FALSE(sys.watched().front().enabled);
}

TEST_F(SimKernelTest, DescriptorsStartAtThreeAndEndAtTheLimit) {
  sys.options().fd_limit = 5;
  EXPECT_EQ(sys.open_spare().value(), 3);
  EXPECT_EQ(sys.make_pipe().error(), std::errc::too_many_files_open);
  EXPECT_EQ(sys.open_fds(), 1U);
  EXPECT_EQ(sys.open_spare().value(), 4);
  EXPECT_EQ(sys.stream_socket(AF_INET).error(), std::errc::too_many_files_open);
  EXPECT_EQ(sys.epoll_create().error(), std::errc::too_many_files_open);
  sys.close(3);
  EXPECT_EQ(sys.epoll_create().value(), 3);
  EXPECT_EQ(sys.open_fds(), 2U);
}

TEST_F(SimKernelTest, AtTheLimitAConnectionStaysInTheBacklog) {
  sys.options().fd_limit = 5;
  const int listener = make_listener();
  const int spare = sys.open_spare().value();
  EXPECT_EQ(sys.accept(listener).error(), std::errc::too_many_files_open);
  SimPeer peer = sys.dial(kHere).value();
  EXPECT_EQ(sys.accept(listener).error(), std::errc::too_many_files_open);
  sys.close(spare);
  EXPECT_EQ(sys.accept(listener).value().peer.text(), peer.local().text());
}

TEST_F(SimKernelTest, CallsOnAClosedDescriptorAreCounted) {
  const int fd = sys.stream_socket(AF_INET).value();
  const int set = sys.epoll_create().value();
  sys.close(fd);
  EXPECT_EQ(read(fd), std::make_error_code(std::errc::bad_file_descriptor).message());
  EXPECT_EQ(send(fd, "x").error(), std::errc::bad_file_descriptor);
  EXPECT_EQ(sys.epoll_add(set, fd, EPOLLIN, 0).error(), std::errc::bad_file_descriptor);
  EXPECT_EQ(sys.accept(-1).error(), std::errc::bad_file_descriptor);
  EXPECT_EQ(sys.bad_fd_calls(), 4U);
}

using SimKernelDeathTest = SimKernelTest;

TEST_F(SimKernelDeathTest, ClosingTwiceIsAProgrammersError) {
  const int fd = sys.open_spare().value();
  sys.close(fd);
  EXPECT_DEATH(sys.close(fd), "check failed");
}

// ---- Clock and faults

TEST_F(SimKernelTest, OnlyWaitsAndTheTestMoveTheClock) {
  const std::int64_t start_ms = sys.now_ms();
  const int set = sys.epoll_create().value();
  epoll_event event{};
  EXPECT_EQ(sys.epoll_wait(set, {&event, 1}, 250).value(), 0U);
  EXPECT_EQ(sys.now_ms(), start_ms + 250);
  sys.advance_ms(1'000);
  EXPECT_EQ(sys.now_ms(), start_ms + 1'250);
  EXPECT_TRUE(sys.epoll_add(set, sys.make_pipe().value().write_fd, EPOLLOUT, 0));
  EXPECT_EQ(sys.epoll_wait(set, {&event, 1}, 250).value(), 1U);
  EXPECT_EQ(sys.now_ms(), start_ms + 1'250);
}

TEST_F(SimKernelTest, AWaitThatWouldNeverEndLeavesTheWorldIdle) {
  const PipeEnds pipe = sys.make_pipe().value();
  const int set = sys.epoll_create().value();
  EXPECT_TRUE(sys.epoll_add(set, pipe.read_fd, EPOLLIN, 0));
  epoll_event event{};
  EXPECT_FALSE(sys.idle());
  EXPECT_EQ(sys.epoll_wait(set, {&event, 1}, -1).value(), 0U);
  EXPECT_TRUE(sys.idle());
  EXPECT_TRUE(sys.write(pipe.write_fd, std::as_bytes(std::span("x"))));
  EXPECT_EQ(sys.epoll_wait(set, {&event, 1}, -1).value(), 1U);
  EXPECT_FALSE(sys.idle());
}

TEST_F(SimKernelTest, APlannedFailureHitsItsCallOnceAndChangesNothing) {
  const int listener = make_listener();
  const SimPeer peer = sys.dial(kHere).value();
  sys.fail_next(Call::accept, ECONNABORTED);
  EXPECT_EQ(sys.accept(listener).error(), std::errc::connection_aborted);
  EXPECT_EQ(sys.faults_left(), 0U);
  EXPECT_TRUE(sys.accept(listener));
}

TEST_F(SimKernelTest, FailuresAreCountedFromThePlanAndQueueUp) {
  EXPECT_TRUE(sys.open_spare());
  sys.fail_next(Call::open_spare, EMFILE, 1);
  sys.fail_next(Call::open_spare, ENFILE, 1);
  sys.fail_next(Call::make_pipe, EMFILE);
  EXPECT_TRUE(sys.open_spare());
  EXPECT_EQ(sys.open_spare().error(), std::errc::too_many_files_open);
  EXPECT_EQ(sys.open_spare().error(), std::errc::too_many_files_open_in_system);
  EXPECT_TRUE(sys.open_spare());
  EXPECT_EQ(sys.faults_left(), 1U);
}

TEST_F(SimKernelTest, EveryCallCountsAsItself) {
  const int set = sys.epoll_create().value();
  const int listener = make_listener();
  const auto exercise = [&](Call call) {
    const std::uint64_t before = sys.calls(call);
    std::array<std::byte, 4> bytes{};
    epoll_event event{};
    const iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    const auto forget = [](const auto&) {};
    switch (call) {
      case Call::close:
        sys.close(sys.open_spare().value());
        break;
      case Call::read:
        forget(sys.read(listener, bytes));
        break;
      case Call::receive:
        forget(sys.receive(listener, bytes));
        break;
      case Call::write:
        forget(sys.write(listener, bytes));
        break;
      case Call::write_parts:
        forget(sys.write_parts(listener, {&part, 1}));
        break;
      case Call::set_nonblocking:
        forget(sys.set_nonblocking(listener, true));
        break;
      case Call::make_event:
        forget(sys.make_event());
        break;
      case Call::signal_event:
        sys.signal_event(listener);
        break;
      case Call::make_pipe:
        forget(sys.make_pipe());
        break;
      case Call::open_spare:
        forget(sys.open_spare());
        break;
      case Call::stream_socket:
        forget(sys.stream_socket(AF_INET));
        break;
      case Call::bind:
        forget(sys.bind(listener, kHere));
        break;
      case Call::listen:
        forget(sys.listen(listener, 1));
        break;
      case Call::accept:
        forget(sys.accept(listener));
        break;
      case Call::connect:
        forget(sys.connect(listener, kHere));
        break;
      case Call::send:
        forget(sys.send(listener, {&part, 1}));
        break;
      case Call::shutdown_write:
        forget(sys.shutdown_write(listener));
        break;
      case Call::take_socket_error:
        forget(sys.take_socket_error(listener));
        break;
      case Call::local_endpoint:
        forget(sys.local_endpoint(listener));
        break;
      case Call::peer_endpoint:
        forget(sys.peer_endpoint(listener));
        break;
      case Call::set_option:
        forget(sys.set_option(listener, SocketOption::nodelay, 1));
        break;
      case Call::datagram_socket:
        forget(sys.datagram_socket(AF_INET));
        break;
      case Call::send_to:
        forget(sys.send_to(listener, bytes, kHere));
        break;
      case Call::receive_from:
        forget(sys.receive_from(listener, bytes));
        break;
      case Call::epoll_create:
        forget(sys.epoll_create());
        break;
      case Call::epoll_add:
        forget(sys.epoll_add(set, listener, 0, 0));
        break;
      case Call::epoll_modify:
        forget(sys.epoll_modify(set, listener, 0, 0));
        break;
      case Call::epoll_remove:
        forget(sys.epoll_remove(set, listener));
        break;
      case Call::epoll_wait:
        forget(sys.epoll_wait(set, {&event, 1}, 0));
        break;
    }
    return sys.calls(call) - before;
  };
  for (std::size_t call = 0; call < kCallCount; ++call) {
    EXPECT_EQ(exercise(static_cast<Call>(call)), 1U) << "call " << call;
  }
  EXPECT_EQ(sys.bad_fd_calls(), 0U);
}

// ---- Determinism

/// A world with some of everything; returns what its epoll set reported, as text.
std::string trace() {
  SimKernel sys({.fd_limit = 64});
  const int set = sys.epoll_create().value();
  const int listener = sys.stream_socket(AF_INET).value();
  EXPECT_TRUE(sys.bind(listener, kHere));
  EXPECT_TRUE(sys.listen(listener, 4));
  EXPECT_TRUE(sys.epoll_add(set, listener, EPOLLIN, 0));
  std::vector<SimPeer> peers;
  for (int turn = 0; turn < 3; ++turn) peers.push_back(sys.dial(kHere).value());
  for (int turn = 0; turn < 3; ++turn) {
    const int fd = sys.accept(listener).value().fd;
    EXPECT_TRUE(sys.epoll_add(set, fd, EPOLLIN | EPOLLRDHUP, static_cast<std::uint64_t>(fd)));
  }
  peers[2].send("late joiner, first to talk");
  peers[0].reset();
  std::string text;
  std::array<epoll_event, 2> events{};
  for (int turn = 0; turn < 4; ++turn) {
    const std::size_t count = sys.epoll_wait(set, events, 5).value();
    for (std::size_t at = 0; at < count; ++at) {
      text += std::to_string(events[at].data.u64) + ":" + std::to_string(events[at].events) + " ";
    }
    text += "@" + std::to_string(sys.now_ms()) + " ";
  }
  return text + peers[1].local().text();
}

TEST(SimKernelDeterminism, EqualCallsGiveEqualWorlds) {
  const std::string first = trace();
  EXPECT_NE(first.find("5:"), std::string::npos);
  EXPECT_EQ(first, trace());
}

}  // namespace
}  // namespace skysock
