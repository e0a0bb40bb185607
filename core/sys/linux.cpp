#include "core/sys/linux.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>

namespace skysock {
namespace {

Result<void> nothing_or_errno(int answer) {
  if (answer < 0) return last_errno();
  return {};
}

Result<std::size_t> count_or_errno(ssize_t answer) {
  if (answer < 0) return last_errno();
  return static_cast<std::size_t>(answer);
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

Result<std::size_t> LinuxSys::read(int fd, std::span<std::byte> into) {
  return count_or_errno(::read(fd, into.data(), into.size()));
}

Result<std::size_t> LinuxSys::write(int fd, std::span<const std::byte> from) {
  return count_or_errno(::write(fd, from.data(), from.size()));
}

Result<PipeEnds> LinuxSys::make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) < 0) return last_errno();
  const int flags = fcntl(ends[0], F_GETFL);
  if (flags < 0 || fcntl(ends[0], F_SETFL, flags | O_NONBLOCK) < 0) {
    const Failure reason = last_errno();
    ::close(ends[0]);
    ::close(ends[1]);
    return reason;
  }
  return PipeEnds{.read_fd = ends[0], .write_fd = ends[1]};
}

Result<int> LinuxSys::open_spare() {
  return fd_or_errno(::open("/dev/null", O_RDONLY | O_CLOEXEC));  // NOLINT: vararg is the API.
}

Result<int> LinuxSys::stream_socket(int family) {
  return fd_or_errno(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Result<void> LinuxSys::bind(int fd, const Endpoint& endpoint) {
  if (const auto set = set_int_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); !set) return set;
  return nothing_or_errno(::bind(fd, endpoint.data(), endpoint.size()));
}

Result<void> LinuxSys::listen(int fd, int backlog) {
  return nothing_or_errno(::listen(fd, backlog));
}

Result<AcceptedSocket> LinuxSys::accept(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const int accepted = accept4(fd, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) return last_errno();
  return AcceptedSocket{.fd = accepted, .peer = Endpoint::from_sockaddr(address, length)};
}

Result<void> LinuxSys::connect(int fd, const Endpoint& endpoint) {
  return nothing_or_errno(::connect(fd, endpoint.data(), endpoint.size()));
}

Result<std::size_t> LinuxSys::send(int fd, std::span<const iovec> parts) {
  if (parts.size() == 1) {
    return count_or_errno(::send(fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL));
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg(2) only reads it.
  message.msg_iovlen = parts.size();
  return count_or_errno(::sendmsg(fd, &message, MSG_NOSIGNAL));
}

Result<void> LinuxSys::shutdown_write(int fd) { return nothing_or_errno(::shutdown(fd, SHUT_WR)); }

Result<int> LinuxSys::take_socket_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return last_errno();
  return error;
}

Result<Endpoint> LinuxSys::local_endpoint(int fd) { return endpoint_by(::getsockname, fd); }

Result<Endpoint> LinuxSys::peer_endpoint(int fd) { return endpoint_by(::getpeername, fd); }

Result<void> LinuxSys::set_nodelay(int fd, bool on) {
  return set_int_option(fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

Result<void> LinuxSys::set_keepalive(int fd, bool on) {
  return set_int_option(fd, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
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

Result<std::size_t> LinuxSys::epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                         int timeout_ms) {
  return count_or_errno(
      ::epoll_wait(epoll_fd, events.data(), static_cast<int>(events.size()), timeout_ms));
}

std::int64_t LinuxSys::now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace skysock
