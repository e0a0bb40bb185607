#pragma once

#include "core/sys/resolver.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// The real kernel. Stateless, so every call is thread safe.
class LinuxSys {
 public:
  using Resolver = LinuxResolver;

  void close(int fd);
  Result<std::size_t> read(int fd, std::span<std::byte> into);
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
  Result<AcceptedSocket> accept(int fd);
  Result<void> connect(int fd, const Endpoint& endpoint);
  Result<std::size_t> send(int fd, std::span<const iovec> parts);
  Result<void> shutdown_write(int fd);
  Result<int> take_socket_error(int fd);
  Result<Endpoint> local_endpoint(int fd);
  Result<Endpoint> peer_endpoint(int fd);
  Result<void> set_option(int fd, SocketOption option, int value);

  Result<int> datagram_socket(int family);
  Result<std::size_t> send_to(int fd, std::span<const std::byte> from, const Endpoint& endpoint);
  Result<ReceivedDatagram> receive_from(int fd, std::span<std::byte> into);

  Result<int> epoll_create();
  Result<void> epoll_add(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_modify(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_remove(int epoll_fd, int fd);
  Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events, int timeout_ms);

  std::int64_t now_ms();
  void yield_thread();
};

static_assert(Syscalls<LinuxSys>);

}  // namespace skysock
