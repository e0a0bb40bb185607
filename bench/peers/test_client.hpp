#pragma once

// Clients of the tests of all servers.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/socket.hpp"

namespace skysock::bench {

/// A blocking connection with a small receive buffer; waits 10 s at most. Its segments are smaller
/// than the buffer: when not even one fits, a busy machine's kernel sends one at a time, 200 ms
/// apart, for the rest of the connection.
inline load::Fd connect_narrow(std::uint16_t port) {
  load::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
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

inline std::vector<std::byte> read_to_end(const load::Fd& fd) {
  std::vector<std::byte> all;
  std::vector<std::byte> part(65'536);
  ssize_t count = 0;
  while ((count = recv(fd.get(), part.data(), part.size(), 0)) > 0) {
    all.insert(all.end(), part.begin(), part.begin() + count);
  }
  EXPECT_EQ(count, 0) << "expected end of stream";
  return all;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Sends all; a failure fails the test.
inline void send_all(const load::Fd& fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(count, 0) << "expected that " << bytes.size() << " bytes more are taken";
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

/// The next `count` bytes; fewer at the end, after an error or 10 s of silence.
inline std::vector<std::byte> read_bytes(const load::Fd& fd, std::size_t count) {
  std::vector<std::byte> bytes(count);
  std::size_t held = 0;
  while (held < count) {
    const ssize_t got = recv(fd.get(), bytes.data() + held, count - held, 0);
    if (got <= 0) break;
    held += static_cast<std::size_t>(got);
  }
  bytes.resize(held);
  return bytes;
}

inline std::string read_text(const load::Fd& fd, std::size_t count) {
  const auto bytes = read_bytes(fd, count);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace skysock::bench
