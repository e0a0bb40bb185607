#include "bench/load/socket.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace skysock::load {
namespace {

bool bind_to_loopback(int fd, unsigned source) {
  // The port is chosen at connect time, when the kernel knows the whole tuple; else 28,000
  // connections use up all.
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source);
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

bool Target::is_loopback_v4() const {
  if (address.ss_family != AF_INET) return false;
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return (ntohl(v4.sin_addr.s_addr) >> 24U) == 127;
}

Outcome<Target> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  if (code != 0) {
    return std::unexpected(fmt::format("cannot resolve '{}': {}", host, gai_strerror(code)));
  }
  Target target;
  std::memcpy(&target.address, found->ai_addr, found->ai_addrlen);
  target.length = found->ai_addrlen;
  target.text = fmt::format("{}:{}", host, port);
  return target;
}

Outcome<Fd> begin_connect(const Target& target, unsigned source) {
  const auto fail = [&](const char* call) {
    return std::unexpected(fmt::format("{} for {}: {}", call, target.text, errno_text(errno)));
  };
  Fd fd(socket(target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail("socket");
  const int on = 1;
  if (setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
    return fail("TCP_NODELAY");
  if (source > 0 && !bind_to_loopback(fd.get(), source)) return fail("bind");
  const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
  if (connect(fd.get(), address, target.length) != 0 && errno != EINPROGRESS)
    return fail("connect");
  return fd;
}

int pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

void close_with_reset(Fd fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

Outcome<EdgePoll> EdgePoll::open() {
  Fd fd(epoll_create1(EPOLL_CLOEXEC));
  if (!fd) return std::unexpected(fmt::format("epoll_create1: {}", errno_text(errno)));
  return EdgePoll(std::move(fd));
}

Outcome<void> EdgePoll::add(int fd, std::uint64_t data, std::uint32_t interest) const {
  epoll_event event{};
  event.events = interest | EPOLLET;
  event.data.u64 = data;
  if (epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return std::unexpected(fmt::format("epoll_ctl: {}", errno_text(errno)));
  }
  return {};
}

Outcome<std::span<const epoll_event>> EdgePoll::wait(
    std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::span<const epoll_event>();
    const int wait_ms = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
    const int count = epoll_wait(fd_.get(), events_, kEventsMax, wait_ms);
    if (count > 0) return std::span<const epoll_event>(events_, static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) {
      return std::unexpected(fmt::format("epoll_wait: {}", errno_text(errno)));
    }
  }
}

Outcome<std::span<const epoll_event>> EdgePoll::wait_precisely(
    std::chrono::steady_clock::time_point until) {
  using std::chrono::nanoseconds;
  constexpr nanoseconds kPolled = std::chrono::microseconds(100);
  // A sleep may end late by 0.1 % of its length.
  constexpr nanoseconds kSleepMax = std::chrono::milliseconds(10);
  while (true) {
    const nanoseconds left = until - std::chrono::steady_clock::now();
    const auto sleep = std::clamp(left - kPolled, nanoseconds(0), kSleepMax);
    const timespec timeout{.tv_sec = 0, .tv_nsec = sleep.count()};
    const int count = epoll_pwait2(fd_.get(), events_, kEventsMax, &timeout, nullptr);
    if (count > 0) return std::span<const epoll_event>(events_, static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) {
      return std::unexpected(fmt::format("epoll_pwait2: {}", errno_text(errno)));
    }
    if (left <= nanoseconds(0)) return std::span<const epoll_event>();
  }
}

}  // namespace skysock::load
