#pragma once

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/sys/endpoint.hpp"
#include "core/sys/uring.hpp"
#include "core/sys/yield_point.hpp"

namespace skysock {

/// A connection fresh from accept4(2): non-blocking, close-on-exec.
struct AcceptedSocket {
  int fd = -1;
  Endpoint peer;
};

/// A datagram that recvfrom(2) copied out.
struct ReceivedDatagram {
  std::size_t bytes = 0;
  Endpoint from;
};

/// The two ends of pipe2(2). Reads never block; writes do, so that a full pipe slows its writers
/// down.
struct PipeEnds {
  int read_fd = -1;
  int write_fd = -1;
};

/// What set_option() may set on a socket; each takes one int.
enum class SocketOption : std::uint8_t {
  nodelay,               ///< TCP_NODELAY: 0 or 1.
  keepalive,             ///< SO_KEEPALIVE: 0 or 1.
  keepalive_idle_s,      ///< TCP_KEEPIDLE: seconds of silence before the first probe.
  keepalive_interval_s,  ///< TCP_KEEPINTVL: seconds between probes.
  keepalive_count,       ///< TCP_KEEPCNT: unanswered probes that end the connection.
  send_buffer_bytes,     ///< SO_SNDBUF.
  receive_buffer_bytes,  ///< SO_RCVBUF.
  reset_on_close,        ///< SO_LINGER with a time of 0: close(2) sends RST. 0 or 1.
  report_icmp,           ///< IP_RECVERR, IPV6_RECVERR: ICMP errors reach an unconnected UDP socket.
};
inline constexpr std::size_t kSocketOptionCount =
    static_cast<std::size_t>(SocketOption::report_icmp) + 1;

/// Asks for the addresses of a host name; `tag` comes back with the answer.
struct ResolverQuery {
  std::uint64_t tag = 0;
  std::string host;
  std::uint16_t port = 0;
};

struct ResolverAnswer {
  std::uint64_t tag = 0;
  Result<std::vector<Endpoint>> endpoints;  ///< At least one, or a resolver's error.
};

/// Resolves names beside the thread that asks. `ask` never blocks. After an answer became ready
/// `on_ready` (a constructor argument) is called, on any thread; take() then gives it, once.
/// Destruction abandons what is under way without waiting for the network.
template <typename R, typename S>
concept ResolverOf = std::constructible_from<R, S&, std::function<void()>> &&
                     requires(R resolver, ResolverQuery query) {
                       { resolver.ask(std::move(query)) } -> std::same_as<void>;
                       { resolver.take() } -> std::same_as<std::optional<ResolverAnswer>>;
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
             SocketOption option, std::uint32_t interest, std::uint64_t data, YieldPoint point) {
      // Descriptors of any kind.
      // Requires: fd is open. Linux closes whatever it answers.
      { sys.close(fd) } -> std::same_as<void>;
      // 0 is end of file.
      { sys.read(fd, into) } -> std::same_as<Result<std::size_t>>;
      { sys.write(fd, from) } -> std::same_as<Result<std::size_t>>;
      // writev(2), for borrowed descriptors that need not be sockets.
      { sys.write_parts(fd, parts) } -> std::same_as<Result<std::size_t>>;
      // O_NONBLOCK; the answer says whether it was on before.
      { sys.set_nonblocking(fd, true) } -> std::same_as<Result<bool>>;
      { sys.make_pipe() } -> std::same_as<Result<PipeEnds>>;
      // Any fd: it only holds a place in the table.
      { sys.open_spare() } -> std::same_as<Result<int>>;
      // eventfd(2), non-blocking. signal_event() makes it readable; read() of 8 bytes takes that.
      { sys.make_event() } -> std::same_as<Result<int>>;
      { sys.signal_event(fd) } -> std::same_as<void>;

      // Stream sockets.
      // value: AF_INET or AF_INET6.
      { sys.stream_socket(value) } -> std::same_as<Result<int>>;
      // With SO_REUSEADDR for streams.
      { sys.bind(fd, endpoint) } -> std::same_as<Result<void>>;
      // value: backlog.
      { sys.listen(fd, value) } -> std::same_as<Result<void>>;
      { sys.accept(fd) } -> std::same_as<Result<AcceptedSocket>>;
      { sys.connect(fd, endpoint) } -> std::same_as<Result<void>>;
      // As read(), for sockets: recv(2) takes a shorter way through the kernel.
      { sys.receive(fd, into) } -> std::same_as<Result<std::size_t>>;
      // Gathers; never raises SIGPIPE.
      { sys.send(fd, parts) } -> std::same_as<Result<std::size_t>>;
      { sys.shutdown_write(fd) } -> std::same_as<Result<void>>;
      // SO_ERROR: 0 or an errno; clears it.
      { sys.take_socket_error(fd) } -> std::same_as<Result<int>>;
      { sys.local_endpoint(fd) } -> std::same_as<Result<Endpoint>>;
      { sys.peer_endpoint(fd) } -> std::same_as<Result<Endpoint>>;
      { sys.set_option(fd, option, value) } -> std::same_as<Result<void>>;

      // Datagram sockets. Without SO_REUSEADDR.
      { sys.datagram_socket(value) } -> std::same_as<Result<int>>;
      // All or nothing. May answer a pending ICMP error in the place of receive_from().
      { sys.send_to(fd, from, endpoint) } -> std::same_as<Result<std::size_t>>;
      // One datagram, cut at the size of `into`. A pending ICMP error (report_icmp) is answered
      // once, as that errno, and is gone then.
      { sys.receive_from(fd, into) } -> std::same_as<Result<ReceivedDatagram>>;

      // Readiness; level-triggered unless `interest` says EPOLLET or EPOLLONESHOT. `data` comes
      // back in epoll_event::data.u64.
      { sys.epoll_create() } -> std::same_as<Result<int>>;
      { sys.epoll_add(fd, fd, interest, data) } -> std::same_as<Result<void>>;
      { sys.epoll_modify(fd, fd, interest, data) } -> std::same_as<Result<void>>;
      { sys.epoll_remove(fd, fd) } -> std::same_as<Result<void>>;
      // value: ms, -1 = no limit.
      { sys.epoll_wait(fd, events, value) } -> std::same_as<Result<std::size_t>>;

      // Monotonic.
      { sys.now_ms() } -> std::same_as<std::int64_t>;
      { sys.now_us() } -> std::same_as<std::int64_t>;  // The same clock.
      // Lets another thread run: what a lock is waited for with.
      { sys.yield_thread() } -> std::same_as<void>;
      // Another thread's step matters here; value: the id that it is about, 0: none.
      { sys.yield_point(point, value) } -> std::same_as<void>;
      // Names the calling thread.
      { sys.this_thread() } -> std::same_as<const void*>;

      requires ResolverOf<typename S::Resolver, S>;

      // A UringOf<>, or NoUring. Only whoever makes a server needs its definition.
      typename S::Uring;
    };

}  // namespace skysock
