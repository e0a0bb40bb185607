#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sys/resolver.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

class LinuxUring;

/// The real kernel. Stateless, so every call is thread safe.
///
/// The calls of the hot path are raw: glibc's wrappers are cancellation points, which costs two
/// atomic operations per call in a process with threads.
class LinuxSys {
 public:
  using Resolver = LinuxResolver;
  using Uring = LinuxUring;

  void close(int fd);
  Result<std::size_t> read(int fd, std::span<std::byte> into) {
    return count_or_errno(::syscall(SYS_read, fd, into.data(), into.size()));
  }
  Result<std::size_t> write(int fd, std::span<const std::byte> from);
  Result<std::size_t> write_parts(int fd, std::span<const iovec> parts);
  Result<bool> set_nonblocking(int fd, bool on);
  Result<PipeEnds> make_pipe();
  Result<int> open_spare();
  Result<int> make_event();
  void signal_event(int fd);

  Result<int> stream_socket(int family);
  Result<void> bind(int fd, const Endpoint& endpoint);
  Result<void> listen(int fd, int backlog);
  Result<AcceptedSocket> accept(int fd) {
    sockaddr_storage storage;
    socklen_t length = sizeof storage;
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    const auto accepted =
        ::syscall(SYS_accept4, fd, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return last_errno();
    return AcceptedSocket{.fd = static_cast<int>(accepted),
                          .peer = Endpoint::from_sockaddr(address, length)};
  }
  Result<void> connect(int fd, const Endpoint& endpoint);
  Result<std::size_t> receive(int fd, std::span<std::byte> into) {
    return count_or_errno(
        ::syscall(SYS_recvfrom, fd, into.data(), into.size(), 0, nullptr, nullptr));
  }
  Result<std::size_t> send(int fd, std::span<const iovec> parts) {
    if (parts.size() != 1) return send_gathered(fd, parts);
    return count_or_errno(
        ::syscall(SYS_sendto, fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL, nullptr, 0));
  }
  Result<void> shutdown_write(int fd);
  Result<int> take_socket_error(int fd);
  Result<Endpoint> local_endpoint(int fd);
  Result<Endpoint> peer_endpoint(int fd);
  Result<void> set_option(int fd, SocketOption option, int value);

  Result<int> datagram_socket(int family);
  Result<std::size_t> send_to(int fd, std::span<const std::byte> from, const Endpoint& to);
  Result<ReceivedDatagram> receive_from(int fd, std::span<std::byte> into);

  Result<int> epoll_create();
  Result<void> epoll_add(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_modify(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_remove(int epoll_fd, int fd);
  Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events, int timeout_ms) {
#ifdef SYS_epoll_wait
    return count_or_errno(::syscall(SYS_epoll_wait, epoll_fd, events.data(),
                                    static_cast<int>(events.size()), timeout_ms));
#else
    return count_or_errno(::syscall(SYS_epoll_pwait, epoll_fd, events.data(),
                                    static_cast<int>(events.size()), timeout_ms, nullptr, 0));
#endif
  }

  std::int64_t now_ms();
  std::int64_t now_us();
  void yield_thread();
  /// Other threads take their steps anyway.
  static constexpr void yield_point(YieldPoint /*point*/, std::int32_t /*id*/ = 0) {}
  /// Cheaper than std::this_thread::get_id(), which is a call.
  static const void* this_thread() {
    static constinit thread_local const char place = 0;
    return &place;
  }

 private:
  static Result<std::size_t> count_or_errno(long answer) {
    if (answer < 0) return last_errno();
    return static_cast<std::size_t>(answer);
  }
  static Result<std::size_t> send_gathered(int fd, std::span<const iovec> parts);
};

static_assert(Syscalls<LinuxSys>);

}  // namespace skysock
