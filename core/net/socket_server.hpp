#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/block.hpp"
#include "core/base/result.hpp"
#include "core/net/connection_state.hpp"
#include "core/net/event.hpp"
#include "core/net/tuning.hpp"
#include "core/net/types.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// What happened so far, read while the reactor runs: each figure is exact, together they are not a
/// snapshot.
struct SocketServerCounts {
  std::uint64_t accepts = 0;
  std::uint64_t packets = 0;
  std::uint64_t decode_errors = 0;
  std::uint64_t stale_tokens = 0;     ///< Packets whose token named nothing.
  std::uint64_t dropped_sends = 0;    ///< Payloads freed because the socket could not take them.
  std::uint64_t stale_events = 0;     ///< Kernel events of a socket that was gone by then.
  std::uint64_t refused_accepts = 0;  ///< Connections closed for want of a descriptor or a slot.
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::size_t slots_used = 0;
  std::size_t payloads_parked = 0;  ///< Payloads still on their way to the reactor.
};

/// The socket server as services see it: every call reserves an id or writes a control packet, and
/// the reactor does the rest. Thread safe, except poll(), which is the reactor thread's. Answers
/// arrive as events. Source: socket_server.h.
template <Syscalls Sys>
class SocketServer {
 public:
  /// Makes epoll, control channel and slot table on `sys`. Errors: an errno of those calls.
  static Result<std::unique_ptr<SocketServer>> create(Sys& sys, const Tuning& tuning,
                                                      EventSink sink);
  ~SocketServer();

  /// Binds and listens in the caller; OPEN (ud: port, data: address) or ERR follows to `owner`.
  /// Accepts nothing before start(). `backlog` 0 means the tuning's. A name blocks the caller while
  /// it is resolved. Errors: of the resolver, socket, bind, listen; too_many_files_open_in_system
  /// (ENFILE) when no slot is free. Source: socket_server_listen().
  Result<SocketId> listen(ServiceHandle owner, const std::string& host, std::uint16_t port,
                          int backlog = 0);

  /// Connects; OPEN (data: peer address) or ERR, exactly one, follows to `owner`. The id may be
  /// used for send() at once. A name blocks the caller (never the reactor) while it is resolved.
  /// Errors: of the resolver; ENFILE when no slot is free; invalid_argument for port 0.
  /// Source: socket_server_connect().
  Result<SocketId> open(ServiceHandle owner, const std::string& host, std::uint16_t port);

  /// Makes `requester` the owner and lets a listener accept or an accepted connection read.
  /// Answered in every case: by OPEN "start", OPEN "transfer" or ERR to `requester`. Source:
  /// socket_server_start().
  Result<void> start(ServiceHandle requester, SocketId id);

  /// Sends `payload` in order with every earlier send of the same priority; always consumes it.
  /// Errors: bad_file_descriptor (EBADF) for an id that is unknown, closed or closing. A failure of
  /// the peer is never reported here: it arrives as ERR. Cost: one write(2) of a 14-byte control
  /// packet. Source: socket_server_send(), socket_server_send_lowpriority().
  Result<void> send(SocketId id, Block payload, Priority priority = Priority::high);

  /// Closes. The owner gets CLOSE, exactly once; see CloseMode and CloseAnswer.
  /// Source: socket_server_close(), socket_server_shutdown().
  Result<void> close(ServiceHandle requester, SocketId id, CloseMode mode, CloseAnswer answer);

  /// Makes a waiting poll() return and call the sink's `run`. Any thread. Cost: one write(2) unless
  /// a wake-up is already on its way.
  void wake();

  /// Closes softly every socket that `owner` has. Any thread.
  void owner_gone(ServiceHandle owner);

  /// Makes poll() return false once the commands given before it are done. Source:
  /// socket_server_exit().
  Result<void> exit();

  /// Waits at most `timeout_ms` (-1: until something happens) and handles one batch of commands and
  /// I/O events; events go to the sink. Returns false after exit(). Reactor thread only. Source:
  /// socket_server_poll().
  bool poll(int timeout_ms);

  /// The state of `id` at some moment during the call; free when it is stale. Thread safe.
  [[nodiscard]] State state(SocketId id) const;

  [[nodiscard]] SocketServerCounts counts() const;

  /// The write end of the control pipe, for harnesses that feed it raw bytes.
  [[nodiscard]] int control_fd() const;

 private:
  struct Impl;
  explicit SocketServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace skysock
