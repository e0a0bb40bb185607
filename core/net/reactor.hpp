#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/net/connection_state.hpp"
#include "core/net/control_channel.hpp"
#include "core/net/control_packet.hpp"
#include "core/net/deadline_lists.hpp"
#include "core/net/event.hpp"
#include "core/net/netstat.hpp"
#include "core/net/poller.hpp"
#include "core/net/reactor_counters.hpp"
#include "core/net/slot_table.hpp"
#include "core/net/step_observer.hpp"
#include "core/net/timeout_queue.hpp"
#include "core/net/token_table.hpp"
#include "core/net/tuning.hpp"
#include "core/net/write_queue.hpp"

namespace skysock {

/// A payload on its way through the control channel.
struct Parcel {
  Block data;
  SocketId counted_for = 0;       ///< Whose output it is; 0 for bytes that are given back.
  std::size_t counted_bytes = 0;  ///< What it adds to that socket's output count.
};

/// A descriptor on its way through the control channel.
struct ParkedFd {
  enum class Kind : std::uint8_t { listener, borrowed, datagrams };
  int fd = -1;
  SocketId id = 0;  ///< Who is to get it.
  Kind kind = Kind::listener;
};

/// What other threads ask of the reactor past the control channel, because it cannot be said in a
/// packet. Thread safe.
struct Inbox {
  /// Called on the reactor thread, between two events.
  struct Visit {
    std::move_only_function<void()> call;
    std::uint64_t mark = 0;  ///< Of the channel: what was sent before comes first.
  };

  std::mutex mutex;
  std::deque<Visit> visits;
};

/// What senders and the reactor share.
struct Shared {
  explicit Shared(std::size_t slot_count) : slots(slot_count) {}
  SlotTable slots;
  TokenTable<Parcel> payloads;
  TokenTable<ParkedFd> fds;
  Inbox inbox;
  std::atomic<std::int64_t> now_ms{0};  ///< When the reactor's last wait ended.
  std::atomic<bool> woken{false};       ///< Something other than a packet waits for the reactor.
};

/// The thread that owns all sockets: takes control packets and completed I/O, looks up the rule,
/// carries it out.
///
/// Everything here is the reactor thread's, but for the counters and what SharedSlot says. It never
/// blocks except in the poller, and waits for another thread only as long as that is inside one
/// non-blocking write(2). Definitions: reactor_impl.hpp (the machine), reactor_loop_impl.hpp,
/// reactor_commands_impl.hpp, reactor_io_impl.hpp.
/// Source: the switch statements of socket_server_poll() and ctrl_cmd().
template <Syscalls Sys>
class Reactor {
 public:
  Reactor(Sys& sys, Shared& shared, ControlChannel<Sys>& channel, ReactorCounters& counters,
          const Tuning& tuning, EventSink sink, Poller<Sys> poller, int spare_fd);
  static Result<std::unique_ptr<Reactor>> create(Sys& sys, Shared& shared,
                                                 ControlChannel<Sys>& channel,
                                                 ReactorCounters& counters, const Tuning& tuning,
                                                 EventSink sink);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  /// Closes every socket but the borrowed ones; what the kernel already took is still delivered.
  ~Reactor();

  /// One batch: commands first, then I/O (with commands in between), then time limits. Returns
  /// false after an exit packet.
  bool poll(int timeout_ms);

  /// Gives a command from inside a callback of poll(): it runs when the callback has returned.
  template <typename Packet>
  void give(Packet&& packet) {
    local_.emplace_back(std::forward<Packet>(packet));
  }

  /// Begins to close softly every socket of a service that ended: polls look at all slots, some at
  /// a time.
  void owner_gone(ServiceHandle owner) { ended_[owner] = connections_.size(); }

  /// A direct write on this thread that is handed to the poller, to leave with others. It holds the
  /// slot's lock until it is over. Returns whether it was taken; the payload is untouched else.
  template <typename Payload>
  bool begin_send(SocketId id, int fd, Payload& payload) {
    return poller_.send(id, fd, payload.bytes().size(), [&] { return payload.rest(0); });
  }

  [[nodiscard]] const PollerInUse& poller_in_use() const { return poller_.in_use(); }

  /// When the last wait ended.
  [[nodiscard]] std::int64_t now_ms() const { return now_ms_; }

  void observe(StepObserver observer) { observer_ = observer; }

  [[nodiscard]] std::vector<SocketInfo> netstat();

  /// Memory of the reactor's half of a slot, used or not.
  static constexpr std::size_t slot_bytes();

 private:
  /// Output that waits, of either kind.
  struct Output {
    WriteQueue stream;
    DatagramQueue datagrams;
    std::uint64_t warn_at_bytes = 0;  ///< The next WARNING; 0: none since all was sent.

    [[nodiscard]] std::size_t bytes() const { return stream.bytes() + datagrams.bytes(); }
    [[nodiscard]] bool empty() const { return stream.empty() && datagrams.empty(); }
  };

  /// What few sockets need.
  struct Extra {
    std::vector<Endpoint> endpoints;                    ///< Of a connect under way,
    std::size_t next_endpoint = 0;                      ///< the one to try next,
    std::error_code last_error;                         ///< and why the one before failed.
    std::error_code write_error;                        ///< Of a write that failed for good.
    std::vector<std::pair<SocketOption, int>> options;  ///< For descriptors that are not there yet.
    std::vector<Block> unread;                          ///< Given back by the old owner,
    std::uint64_t unread_bytes = 0;                     ///< so much,
    ServiceHandle given_by = 0;                         ///< who is this one.
    UdpAddress address;                                 ///< Default destination of datagrams.
    std::optional<std::int64_t> idle_timeout_ms;        ///< 0: never; nothing: the tuning's.
    std::uint64_t direct_bytes_seen = 0;           ///< When the idle time-out was last looked at.
    std::int64_t last_refusal_ms = INT64_MIN / 2;  ///< When a listener's owner heard of one.
    std::int64_t dropped = 0;                      ///< Bytes read and dropped while lingering.
  };

  /// The reactor's half of a slot.
  struct Connection {
    int fd = -1;
    SocketId id = 0;
    ServiceHandle owner = 0;
    State state = State::free;
    Protocol protocol = Protocol::tcp;
    bool changed = false;         ///< The poller has to be told anew.
    bool dirty = false;           ///< Got output in this batch of commands.
    bool was_nonblocking = true;  ///< Of a borrowed descriptor, before we had it.
    std::int8_t nodelay = -1;     ///< What the kernel was told; -1: unknown.
    std::uint32_t read_size = 0;  ///< Of the next read.
    Registration registration;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    std::int64_t read_ms = -1;
    std::int64_t written_ms = -1;
    std::unique_ptr<Output> output;
    std::unique_ptr<Extra> extra;

    Output& out() {
      if (!output) output = std::make_unique<Output>();
      return *output;
    }
    Extra& more() {
      if (!extra) extra = std::make_unique<Extra>();
      return *extra;
    }
    [[nodiscard]] PolledSocket polled() {
      return {.id = id,
              .fd = fd,
              .borrowed = protocol == Protocol::borrowed,
              .read_size = read_size,
              .registration = registration};
    }
    [[nodiscard]] bool queue_empty() const { return !output || output->empty(); }
  };

  /// What a rule may need besides the socket.
  struct Details {
    ServiceHandle requester = 0;
    std::int64_t ud = 0;
    std::string_view text;
    Block data;
    Priority priority = Priority::high;
    const UdpAddress* address = nullptr;  ///< nullptr: the default one.
    const OptionPacket* option = nullptr;
    std::size_t counted_bytes = 0;  ///< What `data` adds to the output count.
  };

  /// Holds a slot's lock for a scope, once the sender inside has let go. Nobody has to be told at
  /// the end: only the reactor ever asks for that.
  class Locked {
   public:
    Locked(Reactor& reactor, SharedSlot& slot) : slot_(&slot) {
      reactor.sys_->yield_point(YieldPoint::slot_lock_wanted);
      slot.lock.lock([&reactor] {
        if (!reactor.finish_sends()) reactor.sys_->yield_thread();
      });
      reactor.sys_->yield_point(YieldPoint::slot_locked);
    }
    ~Locked() { [[maybe_unused]] const bool asked = slot_->lock.unlock(); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

   private:
    SharedSlot* slot_;
  };

  // The rule machine.
  Connection& find(SocketId id);
  void step(Connection& connection, Input input, Details&& details = {});
  void fail(Connection& connection, Input input, std::error_code error);
  void enter(Connection& connection, State next);
  void act(Connection& connection, Act what, Details& details);
  void act_queue(Connection& connection, Details& details);
  UdpAddress default_address(Connection& connection);
  void act_keep(Connection& connection, Details& details);
  void deliver_unread(Connection& connection);
  bool emit(SocketId id, ServiceHandle owner, Emit what, Details& details);
  bool deliver(EventKind kind, SocketId id, ServiceHandle to, std::int64_t ud, Block data);
  bool deliver_last(const Connection& connection, Block data);
  void destroy(Connection& connection);
  void release_fd(Connection& connection);
  void publish(const Connection& connection);
  void start_deadline(const Connection& connection);
  void touch_interest(Connection& connection);
  void update_interest(Connection& connection);
  void registration_failed(Connection& connection, std::error_code error);
  void owner_left(Connection& connection);
  [[nodiscard]] std::uint32_t slot_of(const Connection& connection) const;

  // Commands.
  void take_packet(const std::expected<ControlPacket, ControlError>& packet);
  void run(const ControlPacket& packet);
  void command(const StartPacket& packet);
  void command(const ListenPacket& packet);
  void command(const OpenPacket& packet);
  void command(const BindPacket& packet);
  void command(const UdpPacket& packet);
  void command(const DialPacket& packet);
  void command(const ClosePacket& packet);
  void command(const SendPacket& packet);
  void command(const SendToPacket& packet);
  void command(const SetAddressPacket& packet);
  void command(const OptionPacket& packet);
  void command(const HoldPacket& packet);
  void command(const ArmWritePacket& packet);
  void command(const ExitPacket& packet);
  std::optional<int> take_fd(Token token, SocketId id, ParkedFd::Kind kind);
  void adopt(Connection& connection, int fd, ServiceHandle requester, Protocol protocol);
  void adopt_datagrams(Connection& connection, int fd, ServiceHandle requester);
  void send(SocketId id, Token payload, Priority priority, const UdpAddress* address);
  [[nodiscard]] bool gives(const Connection& connection) const;
  void forget_output(SocketId id, std::size_t bytes);
  void quiesce(Connection& connection);
  void close_softly(Connection& connection);
  Result<void> set_option(Connection& connection, const OptionPacket& packet);
  Result<void> set_kernel_option(Connection& connection, SocketOption option, int value);
  Result<void> change_kernel_option(Connection& connection, SocketOption option, int value);

  // Connecting.
  void connect_next(Connection& connection);
  Result<void> try_connect(Connection& connection, const Endpoint& endpoint);
  void take_answers();

  // Completed I/O.
  void complete(const Ready& ready);
  void on_io(Connection& connection, Accepted&& io);
  void on_io(Connection& connection, AcceptFailed&& io);
  void on_io(Connection& connection, Connected&& io);
  void on_io(Connection& connection, Received&& io);
  void on_io(Connection& connection, ReceivedFrom&& io);
  void on_io(Connection& connection, Eof&& io);
  void on_io(Connection& connection, IoError&& io);
  void on_io(Connection& connection, DatagramError&& io);
  void on_io(Connection& connection, Writable&& io);
  void on_io(Connection& connection, HungUp&& io);
  void refuse_accept(Connection& listener, std::string_view reason);
  enum class Refusal : std::uint8_t { done, nobody_waits, impossible };
  Refusal refuse_one(const Connection& listener);

  // Output.
  [[nodiscard]] std::uint64_t pending(const Connection& connection) const;
  [[nodiscard]] bool has_output(const Connection& connection) const;
  [[nodiscard]] bool lingers(const Connection& connection) const;
  bool take_remainder(Connection& connection);
  void flush(Connection& connection);
  bool write_stream(Connection& connection);
  bool write_datagrams(Connection& connection);
  Result<std::size_t> write_some(Connection& connection, std::span<const iovec> parts);
  void sent(const SentByPoller& send);
  auto on_sent() {
    return [this](const SentByPoller& send) { sent(send); };
  }
  bool finish_sends() { return poller_.finish_sends(on_sent()); }
  void written(Connection& connection, std::size_t bytes, std::size_t counted_bytes);
  void settle(Connection& connection);
  void write_failed(Connection& connection, std::error_code error);
  [[nodiscard]] static bool write_has_failed(const Connection& connection) {
    return connection.extra && connection.extra->write_error;
  }
  void drop_output(Connection& connection);
  void warn(Connection& connection);

  // The loop.
  void run_commands();
  void run_local();
  void take_inbox();
  void run_visits();
  void close_sockets_of_ended();
  /// What a limit left over: then the reactor must not sleep.
  [[nodiscard]] bool has_more_to_do() const {
    const bool services_wait = delivered_ && sink_.run != nullptr;
    return services_wait || !local_.empty() || !ended_.empty() || !dirty_.empty() ||
           !changed_.empty() || output_waits_;
  }
  void after_event() {
    if (delivered_ || !local_.empty()) run_services();
  }
  void run_services();
  void apply_changes();
  int wait_ms(int timeout_ms);
  std::span<const Ready> wait(int timeout_ms);
  std::span<const Ready> busy_poll(int timeout_ms);
  std::span<const Ready> sleep(int timeout_ms);
  void expire_deadlines();
  void expire_timeout(Connection& connection);
  struct DirectWrites {
    std::uint64_t bytes = 0;
    std::int64_t last_ms = -1;
  };
  DirectWrites direct_writes(const Connection& connection);
  void start_idle_timeout(Connection& connection);

  Sys* sys_;
  Shared* shared_;
  ControlChannel<Sys>* channel_;
  ReactorCounters* counters_;
  Tuning tuning_;
  EventSink sink_;
  StepObserver observer_;
  Poller<Sys> poller_;
  typename Sys::Resolver resolver_;
  DeadlineLists deadlines_;
  TimeoutQueue timeouts_;
  std::vector<Connection> connections_;  ///< By slot index.
  Connection stale_;                     ///< Stands for every id that is not current: always free.
  std::deque<Inbox::Visit> visits_;      ///< Wait for their mark to be passed.
  /// Services that ended, and how many slots were not looked at since.
  std::unordered_map<ServiceHandle, std::size_t> ended_;
  std::size_t next_slot_ = 0;         ///< Where that look goes on.
  std::vector<ControlPacket> local_;  ///< Commands given on this thread.
  std::vector<ControlPacket> running_;
  std::vector<SocketId> dirty_;    ///< Got output in this batch of commands.
  std::vector<SocketId> changed_;  ///< The poller has to be told.
  std::array<std::int64_t, kDeadlineCount> limits_ms_{};
  std::int64_t now_ms_ = 0;
  std::int64_t lingering_ = 0;  ///< Sockets in state lingering.
  int spare_fd_;                ///< Given up for a moment to refuse a connection at EMFILE.
  bool delivered_ = false;      ///< Since the sink last ran.
  bool output_waits_ = false;   ///< For a send of the poller, whose end alone wakes nobody.
  bool exit_ = false;
};

template <Syscalls Sys>
constexpr std::size_t Reactor<Sys>::slot_bytes() {
  return sizeof(Connection);
}

}  // namespace skysock
