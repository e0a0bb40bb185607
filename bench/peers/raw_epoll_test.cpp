// Does the baseline really echo, whatever the peer does, so that it is a server and not a benchmark
// of nothing?

#include "bench/peers/raw_epoll.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "bench/load/accept_load.hpp"
#include "bench/load/echo_load.hpp"
#include "bench/load/pattern.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using load::Fd;

/// Serves on its own thread, from construction to destruction.
class RawEpoll {
 public:
  explicit RawEpoll(ServerMode mode, int send_buffer_bytes = 0)
      : listener_(listen_on("127.0.0.1", 0).value()), stop_(eventfd(0, EFD_CLOEXEC)) {
    if (send_buffer_bytes > 0) {  // Accepted sockets inherit it.
      setsockopt(listener_.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof(int));
    }
    thread_ =
        std::thread([this, mode] { served_ = serve_raw_epoll(listener_, stop_.get(), mode); });
  }
  ~RawEpoll() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
    EXPECT_TRUE(served_) << served_.error();
  }
  RawEpoll(const RawEpoll&) = delete;
  RawEpoll& operator=(const RawEpoll&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_of(listener_); }

 private:
  Fd listener_;
  Fd stop_;
  load::Outcome<void> served_;
  std::thread thread_;
};

/// A blocking connection with a small receive buffer; waits 10 s at most. Its segments are smaller
/// than the buffer: when not even one fits, a busy machine's kernel sends one at a time, 200 ms
/// apart, for the rest of the connection.
Fd connect_narrow(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int segment = 1'024;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
  const int small = 8'192;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

std::vector<std::byte> read_to_end(const Fd& fd) {
  std::vector<std::byte> all;
  std::vector<std::byte> part(65'536);
  ssize_t count = 0;
  while ((count = recv(fd.get(), part.data(), part.size(), 0)) > 0) {
    all.insert(all.end(), part.begin(), part.begin() + count);
  }
  EXPECT_EQ(count, 0) << "expected end of stream";
  return all;
}

TEST(RawEpoll, EchoesToManyConnectionsAtOnce) {
  const RawEpoll server(ServerMode::echo);
  auto load = load::EchoLoad::open({.port = server.port(), .connections = 20, .bytes = 1000});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(500);
  EXPECT_TRUE(time) << time.error();
}

TEST(RawEpoll, ServesShortConnections) {
  const RawEpoll server(ServerMode::echo);
  auto load = load::AcceptLoad::open({.port = server.port()});
  ASSERT_TRUE(load) << load.error();
  const auto time = load->run(200);
  EXPECT_TRUE(time) << time.error();
}

// The server's send buffer and ours together hold less than one of its reads: nearly every answer
// is written in parts, and our FIN comes while most of the answer waits.
TEST(RawEpoll, APartialWriteIsFinishedAndFollowedByTheEnd) {
  constexpr std::size_t kBytes = 1 << 20;
  const load::MessageKey key{.seed = 5};
  const RawEpoll server(ServerMode::echo, 8'192);
  const Fd client = connect_narrow(server.port());
  std::thread writer([&] {
    std::vector<std::byte> sent(kBytes);
    load::fill_pattern(key, 0, sent);
    EXPECT_EQ(send(client.get(), sent.data(), sent.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(kBytes));
    EXPECT_EQ(shutdown(client.get(), SHUT_WR), 0);
  });
  const std::vector<std::byte> received = read_to_end(client);
  writer.join();
  EXPECT_EQ(received.size(), kBytes);
  EXPECT_FALSE(load::find_mismatch(key, 0, received));
}

TEST(RawEpoll, ASourceSendsItsStreamUntilThePeerCloses) {
  const RawEpoll server(ServerMode::source);
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

TEST(RawEpoll, AResetEndsOnlyItsOwnConnection) {
  const RawEpoll server(ServerMode::echo);
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

TEST(RawEpoll, ATakenPortIsNamed) {
  const Fd first = listen_on("127.0.0.1", 0).value();
  const auto second = listen_on("127.0.0.1", port_of(first));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find(std::to_string(port_of(first))), std::string::npos);
}

}  // namespace
}  // namespace skysock::bench
