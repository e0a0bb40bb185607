#pragma once

#include "core/sys/syscalls.hpp"

namespace skysock {

/// The real kernel. Stateless, so every call is thread safe.
class LinuxSys {
 public:
  void close(int fd);
  Result<std::size_t> read(int fd, std::span<std::byte> into);
  Result<std::size_t> write(int fd, std::span<const std::byte> from);
  Result<PipeEnds> make_pipe();
  Result<int> open_spare();

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
  Result<void> set_nodelay(int fd, bool on);
  Result<void> set_keepalive(int fd, bool on);

  Result<int> epoll_create();
  Result<void> epoll_add(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_modify(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_remove(int epoll_fd, int fd);
  Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events, int timeout_ms);

  std::int64_t now_ms();
};

static_assert(Syscalls<LinuxSys>);

}  // namespace skysock
