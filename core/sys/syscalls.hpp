#pragma once

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/result.hpp"
#include "core/sys/endpoint.hpp"

namespace skysock {

/// A connection fresh from accept4(2): non-blocking, close-on-exec.
struct AcceptedSocket {
  int fd = -1;
  Endpoint peer;
};

/// The two ends of pipe2(2). Reads never block; writes do, so that a full pipe slows its writers
/// down.
struct PipeEnds {
  int read_fd = -1;
  int write_fd = -1;
};

/// The whole of a kernel that core/net may touch: one name per syscall, nothing clever. Linux is
/// one implementation, the in-memory kernel of core/sim another; the compiler picks, so the fast
/// path has no virtual call.
///
/// Every descriptor made here is close-on-exec; sockets are non-blocking. Errors are errno values;
/// EAGAIN of a read, send or accept is `std::errc::resource_unavailable_try_again`, a connect under
/// way is `operation_in_progress`. Calls may come from any thread; an implementation says what it
/// locks.
template <typename S>
concept Syscalls =
    requires(S sys, int fd, int value, std::span<std::byte> into, std::span<const std::byte> from,
             std::span<const iovec> parts, std::span<epoll_event> events, const Endpoint& endpoint,
             std::uint32_t interest, std::uint64_t data) {
      // Descriptors of any kind.
      {
        sys.close(fd)
      } -> std::same_as<void>;  // Requires: fd is open. Linux closes whatever it answers.
      { sys.read(fd, into) } -> std::same_as<Result<std::size_t>>;  // 0 is end of file.
      { sys.write(fd, from) } -> std::same_as<Result<std::size_t>>;
      { sys.make_pipe() } -> std::same_as<Result<PipeEnds>>;
      {
        sys.open_spare()
      } -> std::same_as<Result<int>>;  // Any fd: it only holds a place in the table.

      // Stream sockets.
      { sys.stream_socket(value) } -> std::same_as<Result<int>>;  // value: AF_INET or AF_INET6.
      { sys.bind(fd, endpoint) } -> std::same_as<Result<void>>;   // With SO_REUSEADDR.
      { sys.listen(fd, value) } -> std::same_as<Result<void>>;    // value: backlog.
      { sys.accept(fd) } -> std::same_as<Result<AcceptedSocket>>;
      { sys.connect(fd, endpoint) } -> std::same_as<Result<void>>;
      {
        sys.send(fd, parts)
      } -> std::same_as<Result<std::size_t>>;  // Gathers; never raises SIGPIPE.
      { sys.shutdown_write(fd) } -> std::same_as<Result<void>>;
      {
        sys.take_socket_error(fd)
      } -> std::same_as<Result<int>>;  // SO_ERROR: 0 or an errno; clears it.
      { sys.local_endpoint(fd) } -> std::same_as<Result<Endpoint>>;
      { sys.peer_endpoint(fd) } -> std::same_as<Result<Endpoint>>;
      { sys.set_nodelay(fd, true) } -> std::same_as<Result<void>>;
      { sys.set_keepalive(fd, true) } -> std::same_as<Result<void>>;

      // Readiness, level-triggered. `data` comes back in epoll_event::data.u64.
      { sys.epoll_create() } -> std::same_as<Result<int>>;
      { sys.epoll_add(fd, fd, interest, data) } -> std::same_as<Result<void>>;
      { sys.epoll_modify(fd, fd, interest, data) } -> std::same_as<Result<void>>;
      { sys.epoll_remove(fd, fd) } -> std::same_as<Result<void>>;
      {
        sys.epoll_wait(fd, events, value)
      } -> std::same_as<Result<std::size_t>>;  // value: ms, -1 = no limit.

      { sys.now_ms() } -> std::same_as<std::int64_t>;  // Monotonic.
    };

}  // namespace skysock
