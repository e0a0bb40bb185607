#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/net/connection_state.hpp"
#include "core/net/control_packet.hpp"
#include "core/net/deadline_lists.hpp"
#include "core/net/epoll_poller.hpp"
#include "core/net/event.hpp"
#include "core/net/pipe_channel.hpp"
#include "core/net/slot_table.hpp"
#include "core/net/token_table.hpp"
#include "core/net/tuning.hpp"
#include "core/net/write_queue.hpp"

namespace skysock {

/// What senders and the reactor share.
struct Shared {
  explicit Shared(std::size_t slot_count) : slots(slot_count) {}
  SlotTable slots;
  TokenTable<Block> payloads;
  TokenTable<int> fds;
  std::atomic<bool> woken{false};  ///< wake() was called and poll() has not seen it.
  std::mutex gone_mutex;
  std::vector<ServiceHandle> gone;  ///< Owners whose sockets are to be closed.
};

/// Always-on counts; the reactor writes, any thread reads.
struct ReactorCounters {
  std::atomic<std::uint64_t> accepts{0};
  std::atomic<std::uint64_t> packets{0};
  std::atomic<std::uint64_t> decode_errors{0};
  std::atomic<std::uint64_t> stale_tokens{0};  ///< Packets whose token named nothing.
  std::atomic<std::uint64_t> dropped_sends{
      0};  ///< Payloads freed because the socket could not take them.
  std::atomic<std::uint64_t> stale_events{0};  ///< Events of a socket that was gone by then.
  std::atomic<std::uint64_t> refused_accepts{
      0};  ///< Connections closed for want of a descriptor or a slot.
  std::atomic<std::uint64_t> bytes_read{0};
  std::atomic<std::uint64_t> bytes_written{0};
};

/// The thread that owns all sockets: takes control packets and completed I/O, looks up the rule,
/// carries it out.
///
/// Everything here is the reactor thread's, but for the counters. It never blocks except in the
/// poller. Source: the switch statements of socket_server_poll() and ctrl_cmd().
template <Syscalls Sys>
class Reactor {
 public:
  static Result<Reactor> create(Sys& sys, Shared& shared, PipeChannel<Sys>& channel,
                                ReactorCounters& counters, const Tuning& tuning, EventSink sink);

  Reactor(Reactor&& other) noexcept;
  Reactor& operator=(Reactor&&) = delete;
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  /// Closes every socket; what the kernel already took is still delivered.
  ~Reactor();

  /// One batch: commands first, then I/O, then time limits. Returns false after an exit packet.
  bool poll(int timeout_ms);

 private:
  /// The reactor's half of a slot.
  struct Connection {
    int fd = -1;
    SocketId id = 0;
    ServiceHandle owner = 0;
    State state = State::free;
    bool registered = false;                       ///< The poller knows fd,
    std::uint32_t interest = 0;                    ///< with this mask.
    std::int64_t dropped = 0;                      ///< Bytes read and dropped while lingering.
    std::int64_t last_refusal_ms = INT64_MIN / 2;  ///< When its owner heard of one.
    WriteQueue queue;
  };

  /// What a rule may need besides the socket.
  struct Details {
    ServiceHandle requester = 0;
    std::int64_t ud = 0;
    std::string_view text;
    Block data;
    Priority priority = Priority::high;
  };

  Reactor(Sys& sys, Shared& shared, PipeChannel<Sys>& channel, ReactorCounters& counters,
          const Tuning& tuning, EventSink sink, EpollPoller<Sys> poller, int spare_fd);

  // The rule machine.
  Connection& find(SocketId id);
  void step(Connection& connection, Input input, Details details = {});
  void enter(Connection& connection, State next);
  void act(Connection& connection, Act what, Details& details);
  bool emit(SocketId id, ServiceHandle owner, Emit what, Details& details);
  bool deliver(EventKind kind, SocketId id, ServiceHandle to, std::int64_t ud, Block data);
  void destroy(Connection& connection);
  void start_deadline(const Connection& connection);
  void update_interest(Connection& connection);
  void start_lingering(Connection& connection);

  // Commands.
  void take_packet(const std::expected<ControlPacket, ControlError>& packet);
  void command(const StartPacket& packet);
  void command(const ListenPacket& packet);
  void command(const OpenPacket& packet);
  void command(const ClosePacket& packet);
  void command(const SendPacket& packet);
  void command(const ExitPacket& packet);
  void adopt(Connection& connection, int fd, ServiceHandle requester);

  // Completed I/O.
  void complete(const Ready& ready);
  void on_io(Connection& connection, Accepted&& io);
  void on_io(Connection& connection, AcceptFailed&& io);
  void on_io(Connection& connection, Connected&& io);
  void on_io(Connection& connection, Received&& io);
  void on_io(Connection& connection, Eof&& io);
  void on_io(Connection& connection, IoError&& io);
  void on_io(Connection& connection, Writable&& io);
  void on_io(Connection& connection, HungUp&& io);
  void refuse_accept(Connection& listener, std::string_view reason);
  bool refuse_one(const Connection& listener);

  // Output.
  void flush(Connection& connection);
  void flush_dirty();

  void close_sockets_of_gone_owners();
  void close_softly(Connection& connection);
  void run_receivers();

  int wait_ms(int timeout_ms);
  void expire_deadlines();

  Sys* sys_;
  Shared* shared_;
  PipeChannel<Sys>* channel_;
  ReactorCounters* counters_;
  Tuning tuning_;
  EventSink sink_;
  EpollPoller<Sys> poller_;
  DeadlineLists deadlines_;
  std::vector<Connection> connections_;  ///< By slot index.
  Connection stale_;                     ///< Stands for every id that is not current: always free.
  std::vector<SocketId> dirty_;          ///< Got output in this batch of commands.
  std::array<std::int64_t, kDeadlineCount> limits_ms_{};
  std::int64_t now_ms_ = 0;
  std::int64_t lingering_ = 0;  ///< Sockets in state lingering.
  int spare_fd_;                ///< Given up for a moment to refuse a connection at EMFILE.
  bool exit_ = false;
  bool delivered_ = false;  ///< Since the sink ran last.
};

}  // namespace skysock
