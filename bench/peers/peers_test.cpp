// Do the baselines really echo, whatever the peer does, so that they are servers and not benchmarks
// of nothing?

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <thread>
#include <vector>

#include "bench/load/accept_load.hpp"
#include "bench/load/echo_load.hpp"
#include "bench/load/pattern.hpp"
#include "bench/peers/raw_asio.hpp"
#include "bench/peers/raw_epoll.hpp"
#include "bench/peers/raw_libuv.hpp"
#include "bench/peers/raw_uring.hpp"
#include "bench/peers/test_client.hpp"
#include "bench/stream/stream_load.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using load::Fd;

struct Epoll {
  static load::Outcome<void> check() { return {}; }
  static constexpr auto serve = serve_raw_epoll;
};

struct Uring {
  // On a thread of its own: the end of a ring interrupts the thread that used it some time later.
  static load::Outcome<void> check() { return std::async(std::launch::async, check_uring).get(); }
  static constexpr auto serve = serve_raw_uring;
};

struct Asio {
  static load::Outcome<void> check() { return {}; }
  static constexpr auto serve = serve_raw_asio;
};

struct Libuv {
  static load::Outcome<void> check() { return {}; }
  static constexpr auto serve = serve_raw_libuv;
};

/// Serves on its own thread, from construction to destruction.
template <typename Kind>
class Server {
 public:
  /// Accepted sockets inherit `buffer_bytes`, of both directions; 0: the kernel's default.
  explicit Server(ServerMode mode, int buffer_bytes = 0)
      : listener_(listen_on("127.0.0.1", 0).value()), stop_(eventfd(0, EFD_CLOEXEC)) {
    if (buffer_bytes > 0) {
      setsockopt(listener_.get(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(int));
      setsockopt(listener_.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(int));
    }
    thread_ = std::thread([this, mode] { served_ = Kind::serve(listener_, stop_.get(), mode); });
  }
  ~Server() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
    EXPECT_TRUE(served_) << served_.error();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_of(listener_); }

 private:
  Fd listener_;
  Fd stop_;
  load::Outcome<void> served_;
  std::thread thread_;
};

template <typename Kind>
class Peers : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto usable = Kind::check(); !usable) GTEST_SKIP() << usable.error();
  }
};
using Kinds = testing::Types<Epoll, Uring, Asio, Libuv>;
TYPED_TEST_SUITE(Peers, Kinds);

TYPED_TEST(Peers, EchoesToManyConnectionsAtOnce) {
  const Server<TypeParam> server(ServerMode::echo);
  auto load = load::EchoLoad::open({.port = server.port(), .connections = 20, .bytes = 1000});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(500);
  EXPECT_TRUE(time) << time.error();
}

TYPED_TEST(Peers, EchoesMessagesOfManyReads) {
  const Server<TypeParam> server(ServerMode::echo);
  auto load = load::EchoLoad::open({.port = server.port(), .connections = 8, .bytes = 3'000'000});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(40);
  EXPECT_TRUE(time) << time.error();
}

TYPED_TEST(Peers, ServesShortConnections) {
  const Server<TypeParam> server(ServerMode::echo);
  auto load = load::AcceptLoad::open({.port = server.port()});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(200);
  EXPECT_TRUE(time) << time.error();
}

// The server's send buffer and ours together hold less than one of its reads: nearly every answer
// is written in parts, and our FIN comes while most of the answer waits. Its small receive buffer
// makes bytes come just when there is no more room for the answer to those before.
TYPED_TEST(Peers, APartialWriteIsFinishedAndFollowedByTheEnd) {
  constexpr std::size_t kBytes = 1 << 20;
  const load::MessageKey key{.seed = 5};
  const Server<TypeParam> server(ServerMode::echo, 8'192);
  std::vector<std::byte> sent(kBytes);
  load::fill_pattern(key, 0, sent);
  for (int round = 0; round < 30; ++round) {
    const Fd client = connect_narrow(server.port());
    std::thread writer([&] {
      EXPECT_EQ(send(client.get(), sent.data(), kBytes, MSG_NOSIGNAL),
                static_cast<ssize_t>(kBytes));
      EXPECT_EQ(shutdown(client.get(), SHUT_WR), 0);
    });
    const std::vector<std::byte> received = read_to_end(client);
    writer.join();
    EXPECT_EQ(received.size(), kBytes);
    EXPECT_FALSE(load::find_mismatch(key, 0, received));
  }
}

// What a peer does not read stays in the kernel: the server does not take more and more for it.
TYPED_TEST(Peers, APeerThatDoesNotReadIsHeldBackAndLosesNothing) {
  constexpr std::size_t kBytes = 32 << 20;  // More than the kernel's buffers hold.
  constexpr std::size_t kPart = 65'536;
  const load::MessageKey key{.seed = 6};
  const Server<TypeParam> server(ServerMode::echo, 8'192);
  const Fd client = connect_narrow(server.port());
  auto other = load::EchoLoad::open({.port = server.port(), .connections = 1});
  ASSERT_TRUE(other) << other.error();
  std::vector<std::byte> bytes(kBytes);
  load::fill_pattern(key, 0, bytes);
  const timeval limit{.tv_sec = 0, .tv_usec = 300'000};
  setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  std::size_t sent = 0;
  for (ssize_t count = 1; sent < kBytes && count > 0;) {
    count = send(client.get(), bytes.data() + sent, kPart, MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<std::size_t>(count);
    ASSERT_TRUE(other->run(2)) << "the server has seen each part, and what became of its answer";
  }
  EXPECT_LT(sent, kBytes);
  EXPECT_EQ(shutdown(client.get(), SHUT_WR), 0);
  const std::vector<std::byte> received = read_to_end(client);
  EXPECT_EQ(received.size(), sent);
  EXPECT_FALSE(load::find_mismatch(key, 0, received));
}

TYPED_TEST(Peers, PeersThatReadLateHoldNobodyUpAndLoseNothing) {
  struct Late {
    Fd fd;
    std::size_t sent = 0;
  };
  const load::MessageKey key{.seed = 7};
  const Server<TypeParam> server(ServerMode::echo, 8'192);
  std::vector<std::byte> bytes(16 << 20);  // More than the kernel's buffers hold.
  load::fill_pattern(key, 0, bytes);
  std::vector<Late> peers;
  for (int count = 0; count < 20; ++count) {
    Late& peer = peers.emplace_back(connect_narrow(server.port()));
    for (ssize_t taken = 0; taken >= 0; peer.sent += static_cast<std::size_t>(taken)) {
      const auto next = std::span(bytes).subspan(peer.sent);
      taken = send(peer.fd.get(), next.data(), next.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (taken < 0) break;
    }
  }
  auto load = load::EchoLoad::open({.port = server.port(), .connections = 5, .bytes = 1000});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(100);
  EXPECT_TRUE(time) << time.error();
  for (const Late& peer : peers) {
    EXPECT_EQ(shutdown(peer.fd.get(), SHUT_WR), 0);
    const std::vector<std::byte> received = read_to_end(peer.fd);
    EXPECT_EQ(received.size(), peer.sent);
    EXPECT_FALSE(load::find_mismatch(key, 0, received));
  }
}

TYPED_TEST(Peers, ASinkCountsAndComparesEveryByte) {
  const Server<TypeParam> server(ServerMode::sink);
  for (const std::size_t bytes : {std::size_t{1}, kStreamMessageBytesMax}) {
    auto load = StreamLoad::open(
        {.port = server.port(), .connections = 3, .bytes = bytes, .batch_messages = 11});
    ASSERT_TRUE(load) << load.error();
    const auto done = load->run();
    EXPECT_TRUE(done) << done.error();
  }
}

TYPED_TEST(Peers, ASourceSendsItsStreamUntilThePeerCloses) {
  const Server<TypeParam> server(ServerMode::source);
  for (int connection = 0; connection < 2; ++connection) {
    const Fd client = connect_narrow(server.port());
    std::vector<std::byte> part(10'000);
    for (std::uint64_t received = 0; received < 1'000'000;) {
      const ssize_t count = recv(client.get(), part.data(), part.size(), 0);
      ASSERT_GT(count, 0);
      const auto size = static_cast<std::size_t>(count);
      ASSERT_TRUE(std::ranges::equal(std::span(part).first(size), stream_bytes(received, size)));
      received += size;
    }
  }
}

TYPED_TEST(Peers, AResetEndsOnlyItsOwnConnection) {
  const Server<TypeParam> server(ServerMode::echo);
  auto load = load::EchoLoad::open({.port = server.port(), .connections = 1});
  ASSERT_TRUE(load) << load.error();
  {
    const Fd rude = connect_narrow(server.port());
    EXPECT_EQ(send(rude.get(), "x", 1, MSG_NOSIGNAL), 1);
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(rude.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  const auto time = load->run(50);
  EXPECT_TRUE(time) << time.error();
}

TEST(ListenOn, ATakenPortIsNamed) {
  const Fd first = listen_on("127.0.0.1", 0).value();
  const auto second = listen_on("127.0.0.1", port_of(first));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find(std::to_string(port_of(first))), std::string::npos);
}

}  // namespace
}  // namespace skysock::bench
