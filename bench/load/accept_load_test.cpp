// Does the short-connection load make exactly the connections it was told, and see a server that
// cheats?

#include "bench/load/accept_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "bench/load/echo_load.hpp"
#include "bench/load/tiny_echo.hpp"

namespace skysock::load {
namespace {

using testing::HasSubstr;

TEST(AcceptLoad, ServesEveryConnectionInChunks) {
  const TinyEcho server;
  auto load = AcceptLoad::open({.port = server.port(), .in_flight = 4});
  ASSERT_TRUE(load) << load.error();
  const auto times = run_chunks(*load, 203, 5);
  ASSERT_TRUE(times) << times.error();
  EXPECT_EQ(times->size(), 5U);
}

TEST(AcceptLoad, FewerOperationsThanInFlightAreDone) {
  const TinyEcho server;
  auto load = AcceptLoad::open({.port = server.port(), .in_flight = 16});
  ASSERT_TRUE(load) << load.error();
  EXPECT_TRUE(load->run(3));
}

TEST(AcceptLoad, TimedRunsServeEveryConnectionTheyBegan) {
  const TinyEcho server;
  auto load = AcceptLoad::open({.port = server.port(), .in_flight = 4});
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    const auto work = load->run_for(std::chrono::milliseconds(20));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GE(work->operations, 4U);
    EXPECT_TRUE(load->run(5));
  }
}

TEST(AcceptLoad, ATimedRunAgainstASilentServerMeetsTheDeadline) {
  const TinyEcho server({.flaw = Flaw::silent});
  auto load = AcceptLoad::open(
      {.port = server.port(), .in_flight = 2, .deadline = std::chrono::milliseconds(50)});
  ASSERT_TRUE(load) << load.error();
  const auto work = load->run_for(std::chrono::milliseconds(1));
  ASSERT_FALSE(work);
  EXPECT_THAT(work.error(), HasSubstr("0 of 2 connections were served"));
}

TEST(AcceptLoad, ASilentServerMeetsTheDeadline) {
  const TinyEcho server({.flaw = Flaw::silent});
  auto load = AcceptLoad::open(
      {.port = server.port(), .in_flight = 2, .deadline = std::chrono::milliseconds(50)});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(5);
  ASSERT_FALSE(time);
  EXPECT_THAT(time.error(), HasSubstr("0 of 5 connections were served within 50 ms"));
}

TEST(AcceptLoad, AWrongByteAndASurplusByteAreSeen) {
  for (const auto& [flaw, text] : {std::pair{Flaw::flip_byte, "connection 0, byte 0: expected 0x"},
                                   std::pair{Flaw::extra_byte, "expected 1 byte back, received 2"},
                                   std::pair{Flaw::close_early, "received end of stream"}}) {
    const TinyEcho server({.flaw = flaw, .flaw_at = 1});
    auto load = AcceptLoad::open({.port = server.port()});
    ASSERT_TRUE(load) << load.error();
    const auto time = load->run(5);
    ASSERT_FALSE(time);
    EXPECT_THAT(time.error(), HasSubstr(text));
  }
}

TEST(AcceptLoad, ARefusedConnectionNamesTheTarget) {
  std::uint16_t port = 0;
  {
    const TinyEcho gone;
    port = gone.port();
  }
  auto load = AcceptLoad::open({.port = port});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(1);
  ASSERT_FALSE(time);
  EXPECT_THAT(time.error(), HasSubstr(std::to_string(port)));
}

bool has_connection(const Fd& listener, int wait_ms) {
  pollfd ready{.fd = listener.get(), .events = POLLIN, .revents = 0};
  return poll(&ready, 1, wait_ms) == 1;
}

/// Echoes one byte of one connection, then says what its next read gives: 0 after FIN, an errno.
int end_seen_by_server(Ending ending) {
  const auto listener = listen_on_loopback();
  if (!listener) return -1;
  int seen = -1;
  std::jthread server([&] {
    if (!has_connection(*listener, 10'000)) return;
    const Fd peer(accept(listener->get(), nullptr, nullptr));
    char byte = 0;
    if (recv(peer.get(), &byte, 1, 0) != 1 || ::send(peer.get(), &byte, 1, 0) != 1) return;
    const ssize_t count = recv(peer.get(), &byte, 1, 0);
    seen = count < 0 ? errno : static_cast<int>(count);
  });
  auto load = AcceptLoad::open({.port = port_of(*listener), .ending = ending});
  if (!load || !load->run(1)) return -1;
  server.join();
  return seen;
}

TEST(AcceptLoad, AConnectionEndsAsTold) {
  EXPECT_EQ(end_seen_by_server(Ending::fin), 0);
  EXPECT_EQ(end_seen_by_server(Ending::rst), ECONNRESET);
}

TEST(AcceptLoad, EveryKindOfRunServesAndCountsEveryConnection) {
  const TinyEcho server;
  for (const Ending ending : {Ending::fin, Ending::rst}) {
    for (const bool burst : {false, true}) {
      auto load = AcceptLoad::open(
          {.port = server.port(), .in_flight = 30, .ending = ending, .burst = burst});
      ASSERT_TRUE(load) << load.error();
      LatencyHistogram latencies;
      load->record_into(&latencies);
      const auto time = load->run(75);  // The last group of a burst is not full.
      ASSERT_TRUE(time) << time.error();
      EXPECT_EQ(latencies.count(), 75U);
      EXPECT_GT(latencies.percentile(0).count(), 0);
      EXPECT_LE(latencies.max(), *time);
      const auto work = load->run_for(std::chrono::milliseconds(10));
      ASSERT_TRUE(work) << work.error();
      EXPECT_EQ(work->operations % (burst ? 30 : 1), 0U);
      EXPECT_EQ(latencies.count(), 75 + work->operations);
      load->record_into(nullptr);
      ASSERT_TRUE(load->run(1));
      EXPECT_EQ(latencies.count(), 75 + work->operations);
    }
  }
}

/// Serves groups of 4, the last of each only after `wait_ms`: did connections of the next group
/// come in that time?
bool next_group_overlaps(bool burst, int wait_ms) {
  const auto listener = listen_on_loopback();
  if (!listener) return false;
  bool overlaps = false;
  std::jthread server([&] {
    for (int group = 0; group < 2; ++group) {
      std::array<Fd, 4> peers;
      for (Fd& peer : peers) {
        if (!has_connection(*listener, 10'000)) return;
        peer = Fd(accept(listener->get(), nullptr, nullptr));
      }
      for (const Fd& peer : peers) {
        if (&peer == &peers.back()) overlaps = overlaps || has_connection(*listener, wait_ms);
        char byte = 0;
        if (recv(peer.get(), &byte, 1, 0) != 1 || ::send(peer.get(), &byte, 1, 0) != 1) return;
      }
    }
  });
  auto load = AcceptLoad::open({.port = port_of(*listener), .in_flight = 4, .burst = burst});
  EXPECT_TRUE(load && load->run(8));
  server.join();
  return overlaps;
}

TEST(AcceptLoad, ABurstWaitsForTheLastOfItsGroup) {
  EXPECT_FALSE(next_group_overlaps(true, 50));
  EXPECT_TRUE(next_group_overlaps(false, 10'000));  // As soon as one came.
}

/// How many connections wait in the accept queue. Source: tcp_get_info() of a listening socket.
unsigned accept_queue(const Fd& listener) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(listener.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
  return info.tcpi_unacked;
}

TEST(AcceptLoad, ABurstHasAllItsConnectionsInTheAcceptQueueAtOnce) {
  const auto listener = listen_on_loopback();
  ASSERT_TRUE(listener) << listener.error();
  auto load = AcceptLoad::open({.port = port_of(*listener),
                                .in_flight = 300,
                                .burst = true,
                                .deadline = std::chrono::milliseconds(100)});
  ASSERT_TRUE(load) << load.error();
  EXPECT_FALSE(load->run(1'000));  // Nobody accepts.
  EXPECT_EQ(accept_queue(*listener), 300U);
}

TEST(AcceptLoad, ADroppedSynShowsInTheLatencies) {
  const auto listener = listen_on_loopback();
  ASSERT_TRUE(listener) << listener.error();
  ASSERT_EQ(listen(listener->get(), 4), 0);  // Linux holds one more than that.
  const Fd stop(eventfd(0, EFD_CLOEXEC));
  std::jthread server([&] {
    while (accept_queue(*listener) < 5) std::this_thread::yield();
    // The rest of the burst meets a full queue in this time.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    serve_tiny_echo(*listener, stop.get(), {});
  });
  auto load = AcceptLoad::open({.port = port_of(*listener), .in_flight = 20, .burst = true});
  ASSERT_TRUE(load) << load.error();
  LatencyHistogram latencies;
  load->record_into(&latencies);
  const auto time = load->run(20);
  eventfd_write(stop.get(), 1);
  ASSERT_TRUE(time) << time.error();
  EXPECT_EQ(latencies.count(), 20U);
  EXPECT_GE(latencies.max(), std::chrono::milliseconds(900));
}

}  // namespace
}  // namespace skysock::load
