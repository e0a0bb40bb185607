#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/block.hpp"
#include "core/base/result.hpp"
#include "core/net/connection_state.hpp"
#include "core/net/control_packet.hpp"
#include "core/net/event.hpp"
#include "core/net/netstat.hpp"
#include "core/net/tuning.hpp"
#include "core/net/types.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

struct StepObserver;

/// What happened so far, read while the reactor runs: each figure is exact, together they are not a
/// snapshot.
struct SocketServerCounts {
  std::uint64_t accepts = 0;
  std::uint64_t packets = 0;                                      ///< All kinds together.
  std::array<std::uint64_t, kPacketKindCount> packets_by_kind{};  ///< In kPacketLetters' order.
  std::uint64_t control_signals = 0;     ///< Packets and wake-ups that found the reactor asleep.
  std::uint64_t control_full_waits = 0;  ///< Packets that waited for room in the ring.
  std::uint64_t control_reads = 0;       ///< Calls of read(2) on the pipe.
  std::uint64_t decode_errors = 0;
  std::uint64_t stale_tokens = 0;   ///< Packets whose token named nothing, or somebody else's.
  std::uint64_t dropped_sends = 0;  ///< Payloads freed because the socket could not take them.
  std::uint64_t refused_sends = 0;  ///< Refused at once: unknown, closed or closing id.
  std::uint64_t limited_sends = 0;  ///< Refused at once: beyond the limit of queued output.
  std::uint64_t queued_sends = 0;
  std::uint64_t direct_writes = 0;  ///< Sends that the kernel took whole on the caller's thread.
  std::uint64_t direct_remainders = 0;  ///< Direct writes that left a rest for the reactor.
  std::uint64_t stale_events = 0;       ///< Kernel events of a socket that was gone by then.
  std::uint64_t refused_events = 0;     ///< Events whose owner was gone.
  std::uint64_t refused_accepts = 0;    ///< Connections closed for want of a descriptor or a slot.
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t datagrams_read = 0;
  std::uint64_t datagrams_written = 0;
  std::uint64_t warnings = 0;
  std::uint64_t waits = 0;               ///< Calls of the poller,
  std::uint64_t wakeups = 0;             ///< that found something,
  std::uint64_t events = 0;              ///< and how many sockets they found.
  std::uint64_t busy_polls = 0;          ///< Times that the reactor asked before it slept,
  std::uint64_t busy_polls_in_vain = 0;  ///< and had to sleep after all. See busy_poll_us.
  std::array<std::uint64_t, kInputCount> closes_by_input{};  ///< Sockets freed, by what did it.
  std::size_t slots_used = 0;
  std::size_t payloads_parked = 0;  ///< Payloads still on their way to the reactor.
};

/// The socket server as services see it: every call reserves an id, writes to the kernel directly
/// or gives the reactor a control packet. Thread safe, except poll() and observe(). Answers arrive
/// as events. A call from inside a callback of poll() never waits: its packet goes past the control
/// channel and is carried out when the callback has returned. Source: socket_server.h.
template <Syscalls Sys>
class SocketServer {
 public:
  /// Makes poller, control channel and slot table on `sys`. An io_uring that cannot be had is no
  /// error: see poller(). Errors: an errno of those calls.
  static Result<std::unique_ptr<SocketServer>> create(Sys& sys, const Tuning& tuning,
                                                      EventSink sink);
  ~SocketServer();
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  // ---- Making sockets. An id may be used, for sends too, as soon as the call has returned.
  // Errors of all: too_many_files_open_in_system (ENFILE) when no slot is free; invalid_argument
  // for a host of more than kHostBytesMax bytes.

  /// Binds and listens in the caller; OPEN (ud: port, data: address) or ERR follows to `owner`.
  /// Accepts nothing before start(). `backlog` 0 means the tuning's. A name blocks the caller while
  /// it is resolved. Errors: of the resolver, socket, bind, listen. Source:
  /// socket_server_listen().
  Result<SocketId> listen(ServiceHandle owner, const std::string& host, std::uint16_t port,
                          int backlog = 0);

  /// Connects to the first address of `host` that answers; OPEN (data: peer address) or ERR,
  /// exactly one, follows to `owner`. A name is resolved beside caller and reactor. Errors:
  /// invalid_argument for port 0. Source: socket_server_connect().
  Result<SocketId> open(ServiceHandle owner, const std::string& host, std::uint16_t port);

  /// Reads and writes a descriptor that stays the caller's: it is made non-blocking meanwhile,
  /// never closed and never shut down. OPEN "binding" or ERR follows. Errors: bad_file_descriptor
  /// for a negative one. Source: socket_server_bind().
  Result<SocketId> bind(ServiceHandle owner, int fd);

  /// A datagram socket, bound to `host` and `port` unless `host` is empty and `port` is 0 (then
  /// IPv4). No event follows: it is usable at once. Errors: of the resolver, socket, bind.
  /// Source: socket_server_udp(), socket_server_udp_listen().
  Result<SocketId> udp(ServiceHandle owner, const std::string& host, std::uint16_t port);

  /// A datagram socket with a default destination. Errors: of the resolver, socket.
  /// Source: socket_server_udp_dial().
  Result<SocketId> udp_dial(ServiceHandle owner, const std::string& host, std::uint16_t port);

  /// Sets the default destination of a datagram socket, for sends after this one; those of other
  /// threads that overlap the call may be lost, as if sent before it. Errors:
  /// bad_file_descriptor; not_a_datagram_socket as operation_not_supported;
  /// address_family_not_supported; of the resolver. Source: socket_server_udp_connect().
  Result<void> udp_connect(SocketId id, const std::string& host, std::uint16_t port);

  // ---- Using them.

  /// Makes `requester` the owner and lets a listener accept or an accepted connection read; ends a
  /// hold. Answered in every case: by OPEN "start", OPEN "transfer", the OPEN or ERR of a connect
  /// under way, or ERR. A send to an accepted connection may follow at once, from any thread that
  /// knows of the call. Errors: bad_file_descriptor for an id that never can be one. Source:
  /// socket_server_start().
  Result<void> start(ServiceHandle requester, SocketId id);

  /// Reads nothing more until the next start(). A reset is still noticed. Silent.
  /// Source: socket_server_pause().
  Result<void> hold(ServiceHandle requester, SocketId id);

  /// The owner gives the socket up: reading stops, and HANDOVER follows to the owner behind the
  /// last event for it. It then gives back, in order, what it did not use, and says that it is
  /// done; after that the next owner's start() is answered: OPEN "transfer", what was given back,
  /// what came meanwhile. Ignored from anybody but the owner. More than the socket has received
  /// cannot be given back: it is dropped.
  Result<void> hand_over(ServiceHandle requester, SocketId id);
  Result<void> give_back(ServiceHandle requester, SocketId id, Block unused);
  Result<void> hand_over_done(ServiceHandle requester, SocketId id);

  /// Sends `payload` in order with every earlier send of the same priority; always consumes it.
  /// A datagram socket sends it to its default destination. `written` when the kernel took all of
  /// it on this thread. Errors: bad_file_descriptor (EBADF) for an id that is unknown, closed,
  /// closing, a listener's, or that of an accepted connection before its start(); no_buffer_space
  /// (ENOBUFS) beyond the limit of queued output (with the policy `abort` the connection is shut
  /// down, too); destination_address_required. A failure of the peer is never reported here: it
  /// arrives as ERR. Cost: one write(2) when nothing is pending and the priority is high; else a
  /// control packet. Source: socket_server_send(), socket_server_send_lowpriority().
  Result<SendOutcome> send(SocketId id, Block payload, Priority priority = Priority::high);
  /// The same; copies only what the kernel does not take at once. The memory is the caller's again.
  Result<SendOutcome> send(SocketId id, std::span<const std::byte> payload,
                           Priority priority = Priority::high);

  /// Sends a datagram to `to`. Errors as send(); operation_not_supported for an id that is no
  /// datagram socket; address_family_not_supported. Source: socket_server_udp_send().
  Result<SendOutcome> send_to(SocketId id, const UdpAddress& to, Block payload);

  /// Closes. The owner gets CLOSE, exactly once; see CloseMode and CloseAnswer.
  /// Source: socket_server_close(), socket_server_shutdown().
  Result<void> close(ServiceHandle requester, SocketId id, CloseMode mode, CloseAnswer answer);

  /// Sets an option; silent when the socket does not have it. Errors: invalid_argument for a value
  /// that no socket takes. Source: socket_server_nodelay().
  Result<void> set_option(SocketId id, ConnectionOption option, std::int64_t value);

  // ---- The rest.

  /// Closes softly, on behalf of a service that ended, every socket it owns. What it sent before is
  /// still sent.
  void owner_gone(ServiceHandle owner);

  /// Makes a poll() that waits, or the next one, return, and runs the sink's services.
  void wake();

  /// The descriptor that wake() and packets from other threads write to; -1 with a pipe, which has
  /// two.
  [[nodiscard]] int wake_fd() const;

  /// Makes poll() return false once the commands given before it are done. Source:
  /// socket_server_exit().
  Result<void> exit();

  /// Every socket, whatever its state. Waits for the reactor, up to one batch; at once when called
  /// from inside a callback of poll(). Empty after exit(), and when the reactor, stuck in a
  /// service, does not answer in time. Source: socket_server_info().
  std::vector<SocketInfo> netstat(std::chrono::milliseconds limit = std::chrono::hours(24));

  /// Waits at most `timeout_ms` (-1: until something happens) and handles one batch of commands and
  /// I/O events; events go to the sink. Returns false after exit(). Reactor thread only. Source:
  /// socket_server_poll().
  bool poll(int timeout_ms);

  /// Lets `observer` see every step of the rule machine. Reactor thread only, outside poll().
  void observe(const StepObserver& observer);

  /// The state of `id` at some moment during the call; free when it is stale.
  [[nodiscard]] State state(SocketId id) const;
  [[nodiscard]] Protocol protocol(SocketId id) const;
  /// Output of `id` that the kernel has not taken yet, as netstat() counts it, at some moment
  /// during the call; 0 when it is stale. Cost: one load. Thread safe.
  [[nodiscard]] std::uint64_t queued_bytes(SocketId id) const;

  [[nodiscard]] SocketServerCounts counts() const;

  /// Writes raw bytes into the control channel, for harnesses: whatever they are, the worst outcome
  /// is a counted error. At most 4,096 at a time.
  Result<void> inject(std::span<const std::byte> bytes);

  /// Posts a send past every check, for harnesses: what a sender does that looked at the socket
  /// just before its state changed.
  Result<SendOutcome> post_send(SocketId id, Block payload, Priority priority = Priority::high);

  /// Which poller it has: not the tuning's when the kernel refused that.
  [[nodiscard]] PollerInUse poller() const;

  /// Memory that every slot takes, used or not.
  static std::size_t slot_bytes();

 private:
  struct Impl;
  explicit SocketServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace skysock
