#include "core/sys/linux.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>

namespace skysock {
namespace {

Result<void> nothing_or_errno(int answer) {
  if (answer < 0) return last_errno();
  return {};
}

Result<int> fd_or_errno(int answer) {
  if (answer < 0) return last_errno();
  return answer;
}

Result<void> set_int_option(int fd, int level, int option, int value) {
  return nothing_or_errno(setsockopt(fd, level, option, &value, sizeof value));
}

Result<void> epoll_change(int epoll_fd, int operation, int fd, std::uint32_t interest,
                          std::uint64_t data) {
  epoll_event event{};
  event.events = interest;
  event.data.u64 = data;
  return nothing_or_errno(epoll_ctl(epoll_fd, operation, fd, &event));
}

/// A SOL_SOCKET option.
Result<int> int_option(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, option, &value, &length) < 0) return last_errno();
  return value;
}

Result<void> set_report_icmp(int fd, int value) {
  const Result<int> family = int_option(fd, SO_DOMAIN);
  if (!family) return Failure(family.error());
  if (*family == AF_INET6) return set_int_option(fd, IPPROTO_IPV6, IPV6_RECVERR, value);
  return set_int_option(fd, IPPROTO_IP, IP_RECVERR, value);
}

/// Takes the reports behind an ICMP error, without which EPOLLERR would stay. What a flood of them
/// leaves over shows as another error, so the loop may end.
void drain_error_queue(int fd) {
  constexpr int kReportsMax = 64;
  msghdr nowhere{};
  for (int report = 0; report < kReportsMax; ++report) {
    if (::recvmsg(fd, &nowhere, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
  }
}

/// The errno of a call on a datagram socket on the line above.
Failure datagram_errno(int fd) {
  const Failure reason = last_errno();
  const bool passing = reason.error() == std::errc::resource_unavailable_try_again ||
                       reason.error() == std::errc::interrupted;
  if (!passing) drain_error_queue(fd);
  return reason;
}

template <typename Call>
Result<Endpoint> endpoint_by(Call call, int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (call(fd, address, &length) < 0) return last_errno();
  return Endpoint::from_sockaddr(address, length);
}

}  // namespace

void LinuxSys::close(int fd) { ::close(fd); }

Result<std::size_t> LinuxSys::write(int fd, std::span<const std::byte> from) {
  return count_or_errno(::write(fd, from.data(), from.size()));
}

Result<std::size_t> LinuxSys::write_parts(int fd, std::span<const iovec> parts) {
  return count_or_errno(::writev(fd, parts.data(), static_cast<int>(parts.size())));
}

Result<bool> LinuxSys::set_nonblocking(int fd, bool on) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return last_errno();
  const bool before = (flags & O_NONBLOCK) != 0;
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (before != on && fcntl(fd, F_SETFL, wanted) < 0) return last_errno();
  return before;
}

Result<PipeEnds> LinuxSys::make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) < 0) return last_errno();
  if (const auto set = set_nonblocking(ends[0], true); !set) {
    ::close(ends[0]);
    ::close(ends[1]);
    return Failure(set.error());
  }
  return PipeEnds{.read_fd = ends[0], .write_fd = ends[1]};
}

Result<int> LinuxSys::open_spare() {
  return fd_or_errno(::open("/dev/null", O_RDONLY | O_CLOEXEC));  // NOLINT: vararg is the API.
}

Result<int> LinuxSys::make_event() { return fd_or_errno(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

void LinuxSys::signal_event(int fd) {
  // Fails only with a counter at its limit: then the event is readable anyway.
  [[maybe_unused]] const int ignored = ::eventfd_write(fd, 1);
}

Result<int> LinuxSys::stream_socket(int family) {
  return fd_or_errno(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Result<void> LinuxSys::bind(int fd, const Endpoint& endpoint) {
  const Result<int> type = int_option(fd, SO_TYPE);
  if (!type) return Failure(type.error());
  if (*type == SOCK_STREAM) {
    if (const auto set = set_int_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); !set) return set;
  }
  return nothing_or_errno(::bind(fd, endpoint.data(), endpoint.size()));
}

Result<void> LinuxSys::listen(int fd, int backlog) {
  return nothing_or_errno(::listen(fd, backlog));
}

Result<void> LinuxSys::connect(int fd, const Endpoint& endpoint) {
  return nothing_or_errno(::connect(fd, endpoint.data(), endpoint.size()));
}

Result<std::size_t> LinuxSys::send_gathered(int fd, std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg(2) only reads it.
  message.msg_iovlen = parts.size();
  return count_or_errno(::sendmsg(fd, &message, MSG_NOSIGNAL));
}

Result<void> LinuxSys::shutdown_write(int fd) { return nothing_or_errno(::shutdown(fd, SHUT_WR)); }

Result<int> LinuxSys::take_socket_error(int fd) {
  const Result<int> error = int_option(fd, SO_ERROR);
  if (error.value_or(0) != 0) drain_error_queue(fd);
  return error;
}

Result<Endpoint> LinuxSys::local_endpoint(int fd) { return endpoint_by(::getsockname, fd); }

Result<Endpoint> LinuxSys::peer_endpoint(int fd) { return endpoint_by(::getpeername, fd); }

Result<void> LinuxSys::set_option(int fd, SocketOption option, int value) {
  switch (option) {
    case SocketOption::nodelay:
      return set_int_option(fd, IPPROTO_TCP, TCP_NODELAY, value);
    case SocketOption::keepalive:
      return set_int_option(fd, SOL_SOCKET, SO_KEEPALIVE, value);
    case SocketOption::keepalive_idle_s:
      return set_int_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, value);
    case SocketOption::keepalive_interval_s:
      return set_int_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, value);
    case SocketOption::keepalive_count:
      return set_int_option(fd, IPPROTO_TCP, TCP_KEEPCNT, value);
    case SocketOption::send_buffer_bytes:
      return set_int_option(fd, SOL_SOCKET, SO_SNDBUF, value);
    case SocketOption::receive_buffer_bytes:
      return set_int_option(fd, SOL_SOCKET, SO_RCVBUF, value);
    case SocketOption::reset_on_close: {
      const linger at_close{.l_onoff = value, .l_linger = 0};
      return nothing_or_errno(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_close, sizeof at_close));
    }
    case SocketOption::report_icmp:
      return set_report_icmp(fd, value);
  }
  return failure(std::errc::invalid_argument);
}

Result<int> LinuxSys::datagram_socket(int family) {
  return fd_or_errno(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Result<std::size_t> LinuxSys::send_to(int fd, std::span<const std::byte> from,
                                      const Endpoint& endpoint) {
  const ssize_t sent =
      ::sendto(fd, from.data(), from.size(), MSG_NOSIGNAL, endpoint.data(), endpoint.size());
  if (sent < 0) return datagram_errno(fd);
  return static_cast<std::size_t>(sent);
}

Result<ReceivedDatagram> LinuxSys::receive_from(int fd, std::span<std::byte> into) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const ssize_t got = ::recvfrom(fd, into.data(), into.size(), 0, address, &length);
  if (got < 0) return datagram_errno(fd);
  return ReceivedDatagram{.bytes = static_cast<std::size_t>(got),
                          .from = Endpoint::from_sockaddr(address, length)};
}

Result<int> LinuxSys::epoll_create() { return fd_or_errno(epoll_create1(EPOLL_CLOEXEC)); }

Result<void> LinuxSys::epoll_add(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data) {
  return epoll_change(epoll_fd, EPOLL_CTL_ADD, fd, interest, data);
}

Result<void> LinuxSys::epoll_modify(int epoll_fd, int fd, std::uint32_t interest,
                                    std::uint64_t data) {
  return epoll_change(epoll_fd, EPOLL_CTL_MOD, fd, interest, data);
}

Result<void> LinuxSys::epoll_remove(int epoll_fd, int fd) {
  return epoll_change(epoll_fd, EPOLL_CTL_DEL, fd, 0, 0);
}

std::int64_t LinuxSys::now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

std::int64_t LinuxSys::now_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

void LinuxSys::yield_thread() { sched_yield(); }

}  // namespace skysock
