#include "bench/seam/seam_loops.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bench/peers/listener.hpp"
#include "core/sys/linux.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;

constexpr std::size_t kEvents = 16;
using Events = std::array<epoll_event, kEvents>;
using Buffer = std::array<std::byte, 4'096>;

// Both loops ask the kernel directly: glibc's wrappers are cancellation points, which is a cost of
// its own (core/sys/linux.hpp).
long wait_directly(int epoll, Events& events) {
#ifdef SYS_epoll_wait
  return ::syscall(SYS_epoll_wait, epoll, events.data(), static_cast<int>(events.size()), -1);
#else
  return ::syscall(SYS_epoll_pwait, epoll, events.data(), static_cast<int>(events.size()), -1,
                   nullptr, 0);
#endif
}

/// Waits, then sends back what each ready descriptor received.
bool echo_directly(int epoll, Buffer& buffer) {
  Events events;  // NOLINT: only what epoll_wait wrote is read.
  const long count = wait_directly(epoll, events);
  if (count < 0) return false;
  for (long at = 0; at < count; ++at) {
    const int fd = events[static_cast<std::size_t>(at)].data.fd;
    const long size =
        ::syscall(SYS_recvfrom, fd, buffer.data(), buffer.size(), 0, nullptr, nullptr);
    if (size <= 0) return false;
    const long sent = ::syscall(SYS_sendto, fd, buffer.data(), static_cast<std::size_t>(size),
                                MSG_NOSIGNAL, nullptr, 0);
    if (sent != size) return false;
  }
  return true;
}

template <Syscalls Sys>
bool echo_through_seam(Sys& sys, int epoll, Buffer& buffer) {
  Events events;  // NOLINT: only what epoll_wait wrote is read.
  const Result<std::size_t> count = sys.epoll_wait(epoll, events, -1);
  if (!count) return false;
  for (std::size_t at = 0; at < *count; ++at) {
    const int fd = events[at].data.fd;
    const Result<std::size_t> size = sys.receive(fd, buffer);
    if (!size || *size == 0) return false;
    const iovec part{.iov_base = buffer.data(), .iov_len = *size};
    const Result<std::size_t> sent = sys.send(fd, std::span(&part, 1));
    if (!sent || *sent != *size) return false;
  }
  return true;
}

/// Waits, then accepts a connection from each ready listener and closes it.
bool accept_directly(int epoll) {
  Events events;  // NOLINT: only what epoll_wait wrote is read.
  const long count = wait_directly(epoll, events);
  if (count < 0) return false;
  for (long at = 0; at < count; ++at) {
    sockaddr_storage peer;
    socklen_t length = sizeof peer;
    const long fd = ::syscall(SYS_accept4, events[static_cast<std::size_t>(at)].data.fd, &peer,
                              &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 || length == 0) return false;
    ::close(static_cast<int>(fd));
  }
  return true;
}

template <Syscalls Sys>
bool accept_through_seam(Sys& sys, int epoll) {
  Events events;  // NOLINT: only what epoll_wait wrote is read.
  const Result<std::size_t> count = sys.epoll_wait(epoll, events, -1);
  if (!count) return false;
  for (std::size_t at = 0; at < *count; ++at) {
    const Result<AcceptedSocket> accepted = sys.accept(events[at].data.fd);
    if (!accepted || accepted->peer.empty()) return false;
    sys.close(accepted->fd);
  }
  return true;
}

std::unexpected<std::string> failed(const char* call) {
  return std::unexpected(fmt::format("{}: {}", call, load::errno_text(errno)));
}

}  // namespace

Outcome<SeamLoop> SeamLoop::open(SeamScenario scenario) {
  SeamLoop loop(scenario);
  loop.epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!loop.epoll_) return failed("epoll_create1");
  const Outcome<void> opened =
      scenario == SeamScenario::socketpair ? loop.open_pair() : loop.open_tcp();
  if (!opened) return std::unexpected(opened.error());
  return loop;
}

Outcome<void> SeamLoop::open_pair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return failed("socketpair");
  }
  server_ = Fd(ends[0]);
  client_ = Fd(ends[1]);
  return watch(server_);
}

Outcome<void> SeamLoop::open_tcp() {
  auto listener = listen_on("127.0.0.1", 0);
  if (!listener) return std::unexpected(listener.error());
  listener_ = std::move(*listener);
  auto target = load::resolve("127.0.0.1", port_of(listener_));
  if (!target) return std::unexpected(target.error());
  target_ = *target;
  if (scenario_ == SeamScenario::accept) return watch(listener_);
  client_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  const auto* address = reinterpret_cast<const sockaddr*>(&target_.address);
  if (setsockopt(client_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      ::connect(client_.get(), address, target_.length) != 0) {
    return failed("connect");
  }
  server_ = Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!server_) return failed("accept4");
  return watch(server_);
}

Outcome<void> SeamLoop::watch(const Fd& fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd.get();
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return failed("epoll_ctl");
  return {};
}

bool SeamLoop::echo(Calls calls) {
  std::array<std::uint64_t, 8> message;
  message.fill(++messages_);
  if (::send(client_.get(), message.data(), sizeof message, MSG_NOSIGNAL) != sizeof message) {
    return false;
  }
  Buffer buffer;
  LinuxSys sys;
  const bool served = calls == Calls::direct ? echo_directly(epoll_.get(), buffer)
                                             : echo_through_seam(sys, epoll_.get(), buffer);
  std::array<std::uint64_t, 8> answer{};
  return served &&
         ::recv(client_.get(), answer.data(), sizeof answer, MSG_WAITALL) == sizeof answer &&
         answer == message;
}

bool SeamLoop::connect(Calls calls) {
  const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // The end is a reset: no port stays in TIME_WAIT.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const auto* address = reinterpret_cast<const sockaddr*>(&target_.address);
  if (::connect(client.get(), address, target_.length) != 0) return false;
  LinuxSys sys;
  const bool served = calls == Calls::direct ? accept_directly(epoll_.get())
                                             : accept_through_seam(sys, epoll_.get());
  char byte = 0;
  return served && ::recv(client.get(), &byte, 1, 0) == 0;  // The server has closed it.
}

}  // namespace skysock::bench
