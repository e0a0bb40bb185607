// Does the simulated world around the sockets do as it is told: remote UDP hosts, a resolver whose
// answers are scripted, descriptors lent to the code under test, yields, and edges after planned
// failures? What the kernel shares with Linux is in the *_conformance_test.cpp.

#include <gtest/gtest.h>
#include <netdb.h>

#include "core/sim/sim_kernel.hpp"

namespace skysock {
namespace {

const Endpoint kHere = Endpoint::from_numeric("127.0.0.1", 8001).value();
const Endpoint kFar = Endpoint::from_numeric("198.51.100.7", 53).value();
const Endpoint kFarV6 = Endpoint::from_numeric("2001:db8::7", 53).value();

class SimWorld : public testing::Test {
 protected:
  std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
  }

  std::string read(int fd) {
    std::string text(100, '\0');
    const auto got = sys.read(fd, std::as_writable_bytes(std::span(text)));
    return got ? text.substr(0, *got) : got.error().message();
  }

  Result<std::size_t> send(int fd, std::string_view text) {
    const iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    return sys.send(fd, {&part, 1});
  }

  std::string receive(int fd) {
    std::string text(100, '\0');
    const auto got = sys.receive_from(fd, std::as_writable_bytes(std::span(text)));
    return got ? text.substr(0, got->bytes) + "@" + got->from.text() : got.error().message();
  }

  static std::string text_of(const std::optional<SimUdpPeer::Datagram>& got) {
    return got ? got->text + "@" + got->from.text() : "nothing";
  }

  int make_datagrams(const Endpoint& at = kHere) {
    const int fd = sys.datagram_socket(at.family()).value();
    EXPECT_TRUE(sys.bind(fd, at));
    return fd;
  }

  /// A set that watches fd for edges, and has reported the present ones.
  int watch(int fd) {
    const int set = sys.epoll_create().value();
    EXPECT_TRUE(sys.epoll_add(set, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 0));
    edge(set);
    return set;
  }

  std::uint32_t edge(int set) {
    epoll_event event{};
    return sys.epoll_wait(set, {&event, 1}, 0).value() == 1 ? event.events : 0;
  }

  SimKernel sys;
};

const std::string kAgain =
    std::make_error_code(std::errc::resource_unavailable_try_again).message();

// ---- Remote UDP hosts

TEST_F(SimWorld, ARemoteHostTalksInDatagrams) {
  const int fd = make_datagrams();
  SimUdpPeer peer = sys.udp_peer(kFar);
  EXPECT_EQ(peer.local().text(), kFar.text());
  EXPECT_FALSE(peer.take());
  peer.send_to(kHere, "hello");
  EXPECT_EQ(receive(fd), "hello@" + kFar.text());
  EXPECT_EQ(sys.send_to(fd, bytes_of("welcome"), kFar).value(), 7U);
  EXPECT_EQ(sys.send_to(fd, {}, kFar).value(), 0U);
  EXPECT_EQ(text_of(peer.take()), "welcome@" + kHere.text());
  EXPECT_EQ(text_of(peer.take()), "@" + kHere.text());
  EXPECT_FALSE(peer.take());
}

TEST_F(SimWorld, RemoteHostsSpeakIpv6) {
  const int fd = sys.datagram_socket(AF_INET6).value();
  SimUdpPeer peer = sys.udp_peer(kFarV6);
  EXPECT_EQ(sys.send_to(fd, bytes_of("x"), kFarV6).value(), 1U);
  peer.send_to(peer.take().value_or(SimUdpPeer::Datagram{}).from, "y");
  EXPECT_EQ(receive(fd), "y@" + kFarV6.text());
}

TEST_F(SimWorld, ARemoteHostThatWentAwayRefuses) {
  const int fd = make_datagrams();
  EXPECT_TRUE(sys.set_option(fd, SocketOption::report_icmp, 1));
  {
    const SimUdpPeer peer = sys.udp_peer(kFar);
  }
  EXPECT_TRUE(sys.send_to(fd, bytes_of("x"), kFar));
  EXPECT_EQ(receive(fd), std::make_error_code(std::errc::connection_refused).message());
}

TEST_F(SimWorld, ADatagramWithoutRoomIsDroppedAndTheNextOneMayFit) {
  sys.options().datagram_queue_bytes = 10;
  const int fd = make_datagrams();
  SimUdpPeer peer = sys.udp_peer(kFar);
  EXPECT_TRUE(peer.send_to(kHere, "four"));
  EXPECT_FALSE(peer.send_to(kHere, "too long"));
  EXPECT_TRUE(peer.send_to(kHere, "fits 6"));
  EXPECT_EQ(receive(fd), "four@" + kFar.text());
  EXPECT_EQ(receive(fd), "fits 6@" + kFar.text());
  EXPECT_EQ(receive(fd), kAgain);
  peer.send_to(kHere, "alone it has room");
  EXPECT_EQ(receive(fd), "alone it has room@" + kFar.text());
  EXPECT_TRUE(sys.set_option(fd, SocketOption::receive_buffer_bytes, 12));
  peer.send_to(kHere, "four");
  peer.send_to(kHere, "8 bytes!");
  EXPECT_EQ(receive(fd), "four@" + kFar.text());
  EXPECT_EQ(receive(fd), "8 bytes!@" + kFar.text());
}

// ---- Resolver

class SimResolverTest : public SimWorld {
 protected:
  /// "tag: endpoints" or "tag: error".
  std::string take() {
    const auto answer = resolver.take();
    if (!answer) return "nothing";
    std::string text = std::to_string(answer->tag) + ":";
    if (!answer->endpoints) return text + " " + answer->endpoints.error().message();
    for (const Endpoint& endpoint : *answer->endpoints) text += " " + endpoint.text();
    return text;
  }

  int rings = 0;
  SimKernel::Resolver resolver{sys, [this] { ++rings; }};
};

TEST_F(SimResolverTest, AnswersComeInTheNextStepInOrder) {
  sys.set_host("example.org", {kFar, kFarV6});
  resolver.ask({.tag = 1, .host = "example.org", .port = 80});
  resolver.ask({.tag = 2, .host = "127.0.0.1", .port = 81});
  resolver.ask({.tag = 3, .host = "unknown", .port = 82});
  EXPECT_EQ(take(), "nothing");
  EXPECT_EQ(sys.names().under_way(), 3U);
  sys.step();
  EXPECT_EQ(rings, 3);
  EXPECT_EQ(take(), "1: 198.51.100.7:80 [2001:db8::7]:80");
  EXPECT_EQ(take(), "2: 127.0.0.1:81");
  EXPECT_EQ(take(), "3: " + std::string(gai_strerror(EAI_NONAME)));
  EXPECT_EQ(take(), "nothing");
  sys.step();
  EXPECT_EQ(rings, 3);
}

TEST_F(SimResolverTest, AHostFailsAsItWasToldUntilItIsToldOtherwise) {
  sys.set_host_error("flaky", EAI_AGAIN);
  resolver.ask({.tag = 1, .host = "flaky", .port = 80});
  sys.step();
  EXPECT_EQ(take(), "1: " + std::string(gai_strerror(EAI_AGAIN)));
  sys.set_host("flaky", {kFar});
  resolver.ask({.tag = 2, .host = "flaky", .port = 80});
  sys.step();
  EXPECT_EQ(take(), "2: 198.51.100.7:80");
}

TEST_F(SimResolverTest, HeldAnswersComeWhenTheyAreReleased) {
  sys.hold_answers(true);
  resolver.ask({.tag = 1, .host = "::1", .port = 80});
  sys.step();
  EXPECT_EQ(take(), "nothing");
  sys.release_answers();
  EXPECT_EQ(rings, 1);
  EXPECT_EQ(take(), "1: [::1]:80");
  resolver.ask({.tag = 2, .host = "::1", .port = 80});
  sys.step();
  EXPECT_EQ(take(), "nothing") << "still held";
  sys.hold_answers(false);
  sys.step();
  EXPECT_EQ(take(), "2: [::1]:80");
}

TEST_F(SimResolverTest, AQuestionAskedByAnAnswerIsForTheNextStep) {
  SimKernel::Resolver* asked = nullptr;
  int more = 1;
  SimKernel::Resolver chained(sys, [&] {
    if (more-- > 0) asked->ask({.tag = 2, .host = "::1", .port = 2});
  });
  asked = &chained;
  chained.ask({.tag = 1, .host = "::1", .port = 1});
  sys.step();
  EXPECT_TRUE(chained.take());
  EXPECT_FALSE(chained.take());
  sys.step();
  EXPECT_TRUE(chained.take());
}

TEST_F(SimResolverTest, ADestroyedResolverIsNeverCalled) {
  int calls = 0;
  {
    SimKernel::Resolver gone(sys, [&] { ++calls; });
    gone.ask({.tag = 1, .host = "::1", .port = 1});
  }
  sys.step();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(sys.names().under_way(), 0U);
}

// ---- Lent descriptors

TEST_F(SimWorld, ALentPipeIsPlayedAtItsFarEnd) {
  auto [in, writer] = sys.lend_pipe_reader();
  auto [out, reader] = sys.lend_pipe_writer();
  EXPECT_FALSE(sys.is_nonblocking(in));
  EXPECT_EQ(writer.write("to the code"), 11U);
  EXPECT_EQ(read(in), "to the code");
  EXPECT_TRUE(sys.write(out, bytes_of("from the code")));
  EXPECT_EQ(reader.read(4), "from");
  EXPECT_EQ(reader.read(), " the code");
  EXPECT_FALSE(reader.is_alone());
  EXPECT_FALSE(writer.is_alone());
  writer.close();
  EXPECT_EQ(read(in), "");
  reader.close();
  EXPECT_EQ(sys.write(out, bytes_of("x")).error(), std::errc::broken_pipe);
}

TEST_F(SimWorld, TheFarEndOfALentPipeSeesItClosed) {
  auto [in, writer] = sys.lend_pipe_reader();
  auto [out, reader] = sys.lend_pipe_writer();
  sys.close(in);
  sys.close(out);
  EXPECT_TRUE(writer.is_alone());
  EXPECT_TRUE(reader.is_alone());
  EXPECT_EQ(writer.write("x"), 0U);
  EXPECT_EQ(reader.read(), "");
}

TEST_F(SimWorld, ALentConnectionIsUp) {
  auto [fd, peer] = sys.lend_connection();
  EXPECT_FALSE(sys.is_nonblocking(fd));
  EXPECT_EQ(sys.peer_endpoint(fd).value().text(), peer.local().text());
  peer.send("hello");
  EXPECT_EQ(read(fd), "hello");
  EXPECT_EQ(send(fd, "welcome").value(), 7U);
  EXPECT_EQ(peer.read(), "welcome");
}

TEST_F(SimWorld, CallsThatWouldBlockAreCounted) {
  auto [fd, peer] = sys.lend_connection();
  EXPECT_EQ(read(fd), kAgain);
  EXPECT_EQ(sys.blocked_calls(), 1U);
  EXPECT_FALSE(sys.set_nonblocking(fd, true).value());
  EXPECT_EQ(read(fd), kAgain);
  EXPECT_EQ(sys.blocked_calls(), 1U);
}

// ---- Options

TEST_F(SimWorld, OptionsAreRemembered) {
  const int fd = sys.stream_socket(AF_INET).value();
  EXPECT_FALSE(sys.option(fd, SocketOption::nodelay));
  EXPECT_TRUE(sys.set_option(fd, SocketOption::nodelay, 1));
  EXPECT_TRUE(sys.set_option(fd, SocketOption::keepalive_idle_s, 30));
  EXPECT_FALSE(sys.set_option(fd, SocketOption::keepalive_count, 0));
  EXPECT_EQ(sys.option(fd, SocketOption::nodelay), 1);
  EXPECT_EQ(sys.option(fd, SocketOption::keepalive_idle_s), 30);
  EXPECT_FALSE(sys.option(fd, SocketOption::keepalive_count));
  sys.close(fd);
  EXPECT_EQ(sys.stream_socket(AF_INET).value(), fd);
  EXPECT_FALSE(sys.option(fd, SocketOption::nodelay)) << "another socket";
}

TEST_F(SimWorld, BuffersAreResizedWithoutLosingBytes) {
  sys.options().buffers = {.send_bytes = 6, .window_bytes = 4};
  auto [fd, peer] = sys.lend_connection();
  EXPECT_EQ(send(fd, "0123456789abc").value(), 10U);
  const int set = watch(fd);
  EXPECT_TRUE(sys.set_option(fd, SocketOption::send_buffer_bytes, 1));
  EXPECT_EQ(send(fd, "x").error(), std::errc::resource_unavailable_try_again);
  EXPECT_TRUE(sys.set_option(fd, SocketOption::send_buffer_bytes, 12));
  EXPECT_EQ(edge(set), std::uint32_t{EPOLLOUT});
  EXPECT_EQ(send(fd, "abcdefgh").value(), 6U);
  EXPECT_EQ(peer.read(), "0123456789abcdef");
  peer.send("0123456789");
  EXPECT_TRUE(sys.set_option(fd, SocketOption::receive_buffer_bytes, 1));
  EXPECT_TRUE(sys.set_option(fd, SocketOption::receive_buffer_bytes, 8));
  EXPECT_EQ(read(fd), "01234567");
  EXPECT_EQ(read(fd), "89");
}

// ---- Edges that only a small or a failing kernel has

TEST_F(SimWorld, BytesAndFinThatHadNoRoomAreEdgesWhenTheyArrive) {
  sys.options().buffers = {.send_bytes = 6, .window_bytes = 4};
  auto [fd, peer] = sys.lend_connection();
  const int set = watch(fd);
  peer.send("01234567");
  peer.shutdown_write();
  EXPECT_EQ(edge(set), std::uint32_t{EPOLLIN | EPOLLOUT});
  EXPECT_EQ(edge(set), 0U);
  EXPECT_EQ(read(fd), "0123");
  EXPECT_EQ(edge(set), std::uint32_t{EPOLLIN | EPOLLOUT | EPOLLRDHUP});
  EXPECT_EQ(edge(set), 0U);
}

TEST_F(SimWorld, MoreForAFullWindowIsNoEdge) {
  sys.options().buffers = {.send_bytes = 6, .window_bytes = 4};
  auto [fd, peer] = sys.lend_connection();
  const int set = watch(fd);
  peer.send("0123");
  EXPECT_NE(edge(set), 0U);
  peer.send("4");
  EXPECT_EQ(edge(set), 0U);
}

TEST_F(SimWorld, AFullBufferThatAWaitFoundIsFollowedByAnEdge) {
  sys.options().buffers = {.send_bytes = 6, .window_bytes = 4};
  auto [fd, peer] = sys.lend_connection();
  EXPECT_EQ(send(fd, "0123456789").value(), 10U) << "all of it: no send missed room";
  const int set = watch(fd);
  EXPECT_EQ(peer.read(), "0123456789");
  EXPECT_EQ(edge(set), std::uint32_t{EPOLLOUT});
}

TEST_F(SimWorld, ALimitedSendIsFollowedByAnEdge) {
  auto [fd, peer] = sys.lend_connection();
  const int set = watch(fd);
  for (const std::size_t limit : {2U, 0U}) {
    sys.limit_next_send(limit);
    EXPECT_EQ(send(fd, "0123").value_or(0), limit);
    EXPECT_EQ(edge(set), std::uint32_t{EPOLLOUT});
    EXPECT_EQ(edge(set), 0U);
  }
}

TEST_F(SimWorld, ALimitHoldsForPartsToo) {
  auto [fd, reader] = sys.lend_pipe_writer();
  std::string text = "0123";
  const iovec part{.iov_base = text.data(), .iov_len = text.size()};
  sys.limit_next_send(3);
  sys.limit_next_send(0);
  EXPECT_EQ(sys.write_parts(fd, {&part, 1}).value(), 3U);
  EXPECT_EQ(sys.write_parts(fd, {&part, 1}).error(), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(reader.read(), "012");
}

TEST_F(SimWorld, APlannedEagainIsFollowedByAnEdge) {
  auto [fd, peer] = sys.lend_connection();
  const int set = watch(fd);
  peer.send("x");
  EXPECT_NE(edge(set), 0U);
  sys.fail_next(Call::read, EAGAIN);
  EXPECT_EQ(read(fd), kAgain);
  EXPECT_EQ(edge(set), std::uint32_t{EPOLLIN | EPOLLOUT});
  sys.fail_next(Call::read, EINTR);
  EXPECT_EQ(read(fd), std::make_error_code(std::errc::interrupted).message());
  EXPECT_EQ(edge(set), 0U);
}

// ---- Yields

TEST_F(SimWorld, AYieldLetsTheHookRun) {
  int runs = 0;
  sys.on_yield([&] { ++runs; });
  for (std::size_t turn = 0; turn < 2 * SimKernel::kYieldsMax; ++turn) sys.yield_thread();
  EXPECT_EQ(runs, static_cast<int>(2 * SimKernel::kYieldsMax));
}

TEST_F(SimWorld, YieldsBetweenOtherCallsAreNoEndlessLoop) {
  const int fd = sys.make_event().value();
  for (std::size_t turn = 0; turn < 2 * SimKernel::kYieldsMax; ++turn) {
    sys.yield_thread();
    if (turn % SimKernel::kYieldsMax == 0) sys.signal_event(fd);
  }
}

using SimWorldDeathTest = SimWorld;

TEST_F(SimWorldDeathTest, YieldingForEverIsAProgrammersError) {
  for (std::size_t turn = 0; turn < SimKernel::kYieldsMax; ++turn) sys.yield_thread();
  static_cast<void>(sys.now_ms());  // Time stands still: it is no other call.
  EXPECT_DEATH(sys.yield_thread(), "check failed");
}

TEST_F(SimWorldDeathTest, WhatCannotFailIsNotPlannedToFail) {
  EXPECT_DEATH(sys.fail_next(Call::signal_event, EIO), "check failed");
}

}  // namespace
}  // namespace skysock
