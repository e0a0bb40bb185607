#include "bench/counts/client.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <vector>

namespace skysock::bench::counts {
namespace {

using load::Fd;

constexpr int kPatienceMs = 10'000;
constexpr int kDescriptorsMax = 1'024;

std::unexpected<std::string> failed(const char* call) {
  return std::unexpected(fmt::format("client: {}: {}", call, load::errno_text(errno)));
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool same(const sockaddr_in& a, const sockaddr_in& b) {
  return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

Outcome<void> join(int fd, std::uint16_t port) {
  const sockaddr_in to = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return failed("connect");
  return {};
}

int option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

Outcome<int> find_descriptor(const char* what, const std::function<bool(int)>& is_it) {
  for (int fd = 3; fd < kDescriptorsMax; ++fd) {
    if (is_it(fd)) return fd;
  }
  return std::unexpected(fmt::format("no descriptor of this process is {}", what));
}

}  // namespace

Outcome<Fd> connect_to(std::uint16_t port, int receive_buffer) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!fd || setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    return failed("socket");
  }
  if (receive_buffer > 0 &&
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) != 0) {
    return failed("SO_RCVBUF");
  }
  if (auto joined = join(fd.get(), port); !joined) return std::unexpected(joined.error());
  return fd;
}

Outcome<Fd> connect_datagrams(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket");
  if (auto joined = join(fd.get(), port); !joined) return std::unexpected(joined.error());
  return fd;
}

Outcome<Fd> listen_here() {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in any = loopback(0);
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
      listen(fd.get(), SOMAXCONN) != 0) {
    return failed("listen");
  }
  return fd;
}

Outcome<std::uint16_t> port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return failed("getsockname");
  }
  return ntohs(address.sin_port);
}

Outcome<void> send_all(int fd, std::span<const std::byte> bytes) {
  const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0) return failed("send");
  if (static_cast<std::size_t>(sent) == bytes.size()) return {};
  return std::unexpected(fmt::format("client: send took {} of {} bytes", sent, bytes.size()));
}

Outcome<void> expect_bytes(int fd, std::span<const std::byte> bytes) {
  if (auto there = wait_for_bytes(fd, bytes.size()); !there) return there;
  std::vector<std::byte> got(bytes.size());
  const ssize_t count = recv(fd, got.data(), got.size(), 0);
  if (count < 0) return failed("recv");
  if (static_cast<std::size_t>(count) == bytes.size() && std::ranges::equal(got, bytes)) return {};
  return std::unexpected(
      fmt::format("client: {} bytes came that are not the {} expected", count, bytes.size()));
}

Outcome<void> end_sending(int fd) {
  if (shutdown(fd, SHUT_WR) != 0) return failed("shutdown");
  return {};
}

Outcome<void> reset(Fd fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now) != 0) {
    return failed("SO_LINGER");
  }
  return {};  // Its end closes it.
}

Outcome<int> server_end(int client) {
  sockaddr_in mine{};
  socklen_t size = sizeof mine;
  if (getsockname(client, reinterpret_cast<sockaddr*>(&mine), &size) != 0) {
    return failed("getsockname");
  }
  return find_descriptor("the server's end of the connection", [&](int fd) {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0 && same(peer, mine);
  });
}

Outcome<int> server_listener() {
  return find_descriptor("a listener", [](int fd) { return option(fd, SO_ACCEPTCONN) == 1; });
}

Outcome<int> server_datagrams() {
  return find_descriptor("a datagram socket",
                         [](int fd) { return option(fd, SO_TYPE) == SOCK_DGRAM; });
}

Outcome<void> wait_for(int fd, short events) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  const int ready = poll(&entry, 1, kPatienceMs);
  if (ready < 0) return failed("poll");
  if (ready == 0) return std::unexpected("client: what was sent did not arrive within 10 s");
  return {};
}

Outcome<void> wait_for_bytes(int fd, std::size_t bytes) {
  constexpr int kLooksMax = 1'000;
  for (int look = 0; look < kLooksMax; ++look) {
    if (auto some = wait_for(fd, POLLIN); !some) return some;
    int there = 0;
    if (ioctl(fd, FIONREAD, &there) != 0) return failed("FIONREAD");
    if (static_cast<std::size_t>(there) >= bytes) return {};
  }
  return std::unexpected(fmt::format("client: {} bytes did not arrive", bytes));
}

}  // namespace skysock::bench::counts
