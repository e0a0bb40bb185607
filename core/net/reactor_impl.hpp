#pragma once

// Definitions of Reactor<Sys>; included by the file that instantiates it for a kernel, and by
// nothing else.

#include <algorithm>
#include <type_traits>

#include "core/net/connection_rules.hpp"
#include "core/net/reactor.hpp"

namespace skysock {

namespace detail {
/// How often a refused connection is reported to its listener's owner.
inline constexpr std::int64_t kRefusalReportMs = 1'000;
/// After a failed write, how long what was received may still be delivered.
inline constexpr std::int64_t kHalfcloseWriteMs = 1'000;
/// How long a listener rests when it can neither accept nor refuse.
inline constexpr std::int64_t kAcceptRetryMs = 100;
/// Messages handed to one sendmsg(2).
inline constexpr std::size_t kGatherMax = 64;

inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}
}  // namespace detail

template <Syscalls Sys>
Result<Reactor<Sys>> Reactor<Sys>::create(Sys& sys, Shared& shared, PipeChannel<Sys>& channel,
                                          ReactorCounters& counters, const Tuning& tuning,
                                          EventSink sink) {
  Result<EpollPoller<Sys>> poller = EpollPoller<Sys>::create(sys, tuning);
  if (!poller) return Failure(poller.error());
  if (const auto added = poller->add(channel.read_fd(), kControlReady, EPOLLIN); !added) {
    return Failure(added.error());
  }
  const Result<int> spare = sys.open_spare();
  if (!spare) return Failure(spare.error());
  return Reactor(sys, shared, channel, counters, tuning, sink, std::move(*poller), *spare);
}

template <Syscalls Sys>
Reactor<Sys>::Reactor(Sys& sys, Shared& shared, PipeChannel<Sys>& channel,
                      ReactorCounters& counters, const Tuning& tuning, EventSink sink,
                      EpollPoller<Sys> poller, int spare_fd)
    : sys_(&sys),
      shared_(&shared),
      channel_(&channel),
      counters_(&counters),
      tuning_(tuning),
      sink_(sink),
      poller_(std::move(poller)),
      deadlines_(shared.slots.size()),
      connections_(shared.slots.size()),
      now_ms_(sys.now_ms()),
      spare_fd_(spare_fd) {
  const auto limit = [this](Deadline kind) -> std::int64_t& {
    return limits_ms_[static_cast<std::size_t>(kind)];
  };
  limit(Deadline::accept) = tuning.accept_timeout_ms;
  limit(Deadline::drain) = tuning.drain_timeout_ms;
  limit(Deadline::linger) = tuning.linger_ms;
  limit(Deadline::halfclose_write) = detail::kHalfcloseWriteMs;
  limit(Deadline::accept_retry) = detail::kAcceptRetryMs;
}

template <Syscalls Sys>
Reactor<Sys>::Reactor(Reactor&& other) noexcept
    : sys_(other.sys_),
      shared_(other.shared_),
      channel_(other.channel_),
      counters_(other.counters_),
      tuning_(other.tuning_),
      sink_(other.sink_),
      poller_(std::move(other.poller_)),
      deadlines_(std::move(other.deadlines_)),
      connections_(std::move(other.connections_)),
      dirty_(std::move(other.dirty_)),
      limits_ms_(other.limits_ms_),
      now_ms_(other.now_ms_),
      lingering_(other.lingering_),
      spare_fd_(std::exchange(other.spare_fd_, -1)),
      exit_(other.exit_) {
  other.connections_.clear();
}

template <Syscalls Sys>
Reactor<Sys>::~Reactor() {
  for (Connection& connection : connections_) {
    if (connection.state != State::free) destroy(connection);
  }
  if (spare_fd_ >= 0) sys_->close(spare_fd_);
}

// ---- The rule machine

template <Syscalls Sys>
typename Reactor<Sys>::Connection& Reactor<Sys>::find(SocketId id) {
  if (shared_->slots.state(id) == State::free) {
    SKYSOCK_CHECK(stale_.state == State::free && stale_.fd < 0 && stale_.queue.empty());
    stale_.id = id;
    return stale_;
  }
  Connection& connection = connections_[shared_->slots.index(id)];
  if (connection.state == State::free) {
    // The first command for a fresh id.
    connection.id = id;
    connection.owner = shared_->slots.reserved_by(id);
    connection.state = State::reserved;
  }
  SKYSOCK_CHECK(connection.id == id);
  return connection;
}

template <Syscalls Sys>
void Reactor<Sys>::step(Connection& connection, Input input, Details details) {
  const Rule* rule = find_rule(connection.state, input);
  SKYSOCK_CHECK(rule != nullptr);
  if (rule->act == Act::own) connection.owner = details.requester;
  const SocketId id = connection.id;
  const ServiceHandle owner = connection.owner;
  if (rule->to == State::free && connection.state != State::free) {
    // Gone before the owner hears of it: after CLOSE the descriptor is closed and the port free.
    act(connection, rule->act, details);
    enter(connection, State::free);
    emit(id, owner, rule->emit, details);
    return;
  }
  // Published before the owner hears of it: after OPEN every send is accepted.
  if (rule->to != connection.state) shared_->slots.set_state(id, rule->to);
  const bool heard = emit(id, owner, rule->emit, details);
  act(connection, rule->act, details);
  if (rule->to != connection.state) enter(connection, rule->to);
  if (!heard && find_rule(connection.state, Input::owner_gone) != nullptr) {
    step(connection, Input::owner_gone);
  }
}

/// Does what comes with being in `next`: registration, time limit, the end.
template <Syscalls Sys>
void Reactor<Sys>::enter(Connection& connection, State next) {
  if (connection.state == State::lingering) --lingering_;
  if (next == State::free) return destroy(connection);
  connection.state = next;
  start_deadline(connection);
  if (next == State::lingering) return start_lingering(connection);
  update_interest(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::start_lingering(Connection& connection) {
  ++lingering_;
  connection.dropped = 0;
  const bool allowed = tuning_.linger_ms > 0 && lingering_ <= tuning_.linger_sockets;
  if (!allowed) return step(connection, Input::deadline);
  update_interest(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::start_deadline(const Connection& connection) {
  const auto slot = static_cast<std::uint32_t>(shared_->slots.index(connection.id));
  const Deadline kind = traits(connection.state).deadline;
  if (deadlines_.kind(slot) == kind) return;
  deadlines_.remove(slot);
  const std::int64_t limit_ms = limits_ms_[static_cast<std::size_t>(kind)];
  if (kind != Deadline::none && limit_ms > 0) deadlines_.add(slot, kind, now_ms_ + limit_ms);
}

template <Syscalls Sys>
void Reactor<Sys>::destroy(Connection& connection) {
  if (&connection == &stale_) return;
  deadlines_.remove(static_cast<std::uint32_t>(shared_->slots.index(connection.id)));
  if (connection.fd >= 0) sys_->close(connection.fd);
  const SocketId id = connection.id;
  connection.queue.clear();
  connection = Connection{};
  shared_->slots.release(id);
}

template <Syscalls Sys>
void Reactor<Sys>::act(Connection& connection, Act what, Details& details) {
  switch (what) {
    case Act::nothing:
    case Act::own:
      return;
    case Act::queue: {
      if (connection.queue.empty()) dirty_.push_back(connection.id);
      connection.queue.push(std::move(details.data), details.priority);
      return;
    }
    case Act::drop:
      details.data = Block();
      return;
    case Act::drop_queue:
      connection.queue.clear();
      return;
    case Act::finish_write: {
      // A failure means that the peer is gone already: the poller will say so.
      [[maybe_unused]] const auto ignored = sys_->shutdown_write(connection.fd);
      return;
    }
  }
}

/// Returns false when the owner is gone.
template <Syscalls Sys>
bool Reactor<Sys>::emit(SocketId id, ServiceHandle owner, Emit what, Details& details) {
  const auto text = [](std::string_view words) { return Block::copy_of(words); };
  switch (what) {
    case Emit::nothing:
      return true;
    case Emit::open:
      return deliver(EventKind::open, id, owner, details.ud, text(details.text));
    case Emit::open_start:
      return deliver(EventKind::open, id, owner, 0, text("start"));
    case Emit::open_transfer:
      return deliver(EventKind::open, id, owner, 0, text("transfer"));
    case Emit::accept:
      return deliver(EventKind::accept, id, owner, details.ud, text(details.text));
    case Emit::data: {
      const auto size = static_cast<std::int64_t>(details.data.size());
      return deliver(EventKind::data, id, owner, size, std::move(details.data));
    }
    case Emit::close:
      return deliver(EventKind::close, id, owner, 0, {});
    case Emit::error:
      return deliver(EventKind::error, id, owner, 0, text(details.text));
    case Emit::error_then_close:
      return deliver(EventKind::error, id, owner, 0, text(details.text)) &&
             deliver(EventKind::close, id, owner, 0, {});
    // Answers to a requester who need not be the owner: that it is gone says nothing about the
    // socket.
    case Emit::error_invalid:
      deliver(EventKind::error, id, details.requester, 0, text("invalid socket"));
      return true;
    case Emit::error_closed:
      deliver(EventKind::error, id, details.requester, 0, text("socket closed"));
      return true;
  }
  return true;
}

template <Syscalls Sys>
bool Reactor<Sys>::deliver(EventKind kind, SocketId id, ServiceHandle to, std::int64_t ud,
                           Block data) {
  delivered_ = true;
  return sink_.deliver(sink_.context,
                       Event{.kind = kind, .id = id, .to = to, .ud = ud, .data = std::move(data)});
}

/// Brings the poller's registration in line with state and queue.
template <Syscalls Sys>
void Reactor<Sys>::update_interest(Connection& connection) {
  const StateTraits& in = traits(connection.state);
  if (in.watch == Watch::nothing) return;
  const bool output = in.flushes && !connection.queue.empty();
  const std::uint32_t wanted = EpollPoller<Sys>::mask(in.watch, output);
  if (connection.registered && wanted == connection.interest) return;
  const Result<void> changed = connection.registered
                                   ? poller_.modify(connection.fd, connection.id, wanted)
                                   : poller_.add(connection.fd, connection.id, wanted);
  if (changed) {
    connection.registered = true;
    connection.interest = wanted;
    return;
  }
  const std::string reason = changed.error().message();
  const Input failed = in.watch == Watch::connect ? Input::connect_failed : Input::read_failed;
  step(connection, failed, {.text = reason});
}

// ---- Commands

template <Syscalls Sys>
void Reactor<Sys>::take_packet(const std::expected<ControlPacket, ControlError>& packet) {
  detail::count(counters_->packets);
  if (!packet) return detail::count(counters_->decode_errors);
  std::visit([this](const auto& one) { this->command(one); }, *packet);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const StartPacket& packet) {
  step(find(packet.id), Input::start, {.requester = packet.requester});
}

template <Syscalls Sys>
void Reactor<Sys>::adopt(Connection& connection, int fd, ServiceHandle requester) {
  // reserved keeps the owner it has: a start that came before the create command decided it.
  if (connection.owner == 0) connection.owner = requester;
  connection.fd = fd;
}

template <Syscalls Sys>
void Reactor<Sys>::command(const ListenPacket& packet) {
  const std::optional<int> fd = shared_->fds.take(packet.fd);
  if (!fd) return detail::count(counters_->stale_tokens);
  Connection& connection = find(packet.id);
  if (!detail::is_reserved(connection.state)) {
    sys_->close(*fd);
    return;
  }
  adopt(connection, *fd, packet.requester);
  const Result<Endpoint> bound = sys_->local_endpoint(*fd);
  if (!bound) {
    const std::string reason = bound.error().message();
    return step(connection, Input::create_failed, {.text = reason});
  }
  const std::string host = bound->host();
  step(connection, Input::listen_ready, {.ud = bound->port(), .text = host});
}

template <Syscalls Sys>
void Reactor<Sys>::command(const OpenPacket& packet) {
  Connection& connection = find(packet.id);
  if (!detail::is_reserved(connection.state)) return;
  const auto fail = [&](const std::string& reason) {
    step(connection, Input::create_failed, {.text = reason});
  };
  const std::optional<Endpoint> peer = Endpoint::from_numeric(packet.host, packet.port);
  if (!peer) return fail("not a numeric address");
  const Result<int> fd = sys_->stream_socket(peer->family());
  if (!fd) return fail(fd.error().message());
  adopt(connection, *fd, packet.requester);
  // Neither option failing is a reason not to talk.
  [[maybe_unused]] const auto keepalive = sys_->set_keepalive(*fd, true);
  if (tuning_.nodelay != 0) [[maybe_unused]]
    const auto nodelay = sys_->set_nodelay(*fd, true);
  const Result<void> connected = sys_->connect(*fd, *peer);
  const std::string host = peer->host();
  if (connected) return step(connection, Input::connect_ok, {.text = host});
  if (connected.error() != std::errc::operation_in_progress) {
    return fail(connected.error().message());
  }
  step(connection, Input::connect_started);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const ClosePacket& packet) {
  Connection& connection = find(packet.id);
  const bool gone = connection.state == State::free || connection.state == State::lingering;
  const bool answer =
      packet.answer == CloseAnswer::wanted && (gone || connection.owner != packet.requester);
  if (traits(connection.state).flushes && !connection.queue.empty()) flush(connection);
  const Input soft =
      connection.queue.empty() && detail::can_occur(traits(connection.state), Input::close_flushed)
          ? Input::close_flushed
          : Input::close_pending;
  // The flush may have ended the socket; then its CLOSE is already out.
  if (connection.state != State::free || gone) {
    step(connection, packet.mode == CloseMode::abortive ? Input::close_abortive : soft);
  }
  if (answer) deliver(EventKind::close, packet.id, packet.requester, 1, {});
}

template <Syscalls Sys>
void Reactor<Sys>::command(const SendPacket& packet) {
  std::optional<Block> payload = shared_->payloads.take(packet.payload);
  if (!payload) return detail::count(counters_->stale_tokens);
  Connection& connection = find(packet.id);
  if (!traits(connection.state).sendable) detail::count(counters_->dropped_sends);
  step(connection, Input::send, {.data = std::move(*payload), .priority = packet.priority});
}

template <Syscalls Sys>
void Reactor<Sys>::command(const ExitPacket&) {
  exit_ = true;
}

// ---- Completed I/O

template <Syscalls Sys>
void Reactor<Sys>::complete(const Ready& ready) {
  Connection& connection = find(ready.id);
  if (connection.state == State::free) return detail::count(counters_->stale_events);
  const Watch watch = traits(connection.state).watch;
  const SocketId id = connection.id;
  poller_.complete(ready.events, connection.fd, watch, [&](IoEvent&& io) {
    std::visit([&](auto&& one) { this->on_io(connection, std::forward<decltype(one)>(one)); },
               std::move(io));
    return connection.id == id && traits(connection.state).watch == watch;
  });
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& listener, Accepted&& io) {
  const std::optional<SocketId> id = shared_->slots.reserve(listener.owner);
  if (!id) {
    sys_->close(io.socket.fd);
    return refuse_accept(listener, "no socket slot is free");
  }
  detail::count(counters_->accepts);
  Connection& connection = find(*id);
  connection.fd = io.socket.fd;
  shared_->slots.set_state(*id, State::paccept);
  enter(connection, State::paccept);
  const std::string peer = io.socket.peer.text();
  step(listener, Input::accepted, {.ud = *id, .text = peer});
  if (listener.state == State::free) step(connection, Input::owner_gone);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& listener, AcceptFailed&& io) {
  refuse_accept(listener, io.error.message());
  const bool out_of_fds = io.error == std::errc::too_many_files_open ||
                          io.error == std::errc::too_many_files_open_in_system;
  const bool alive = listener.state == State::listening;
  if (alive && !(out_of_fds && refuse_one(listener))) step(listener, Input::accept_starved);
}

/// Takes one connection out of the backlog by giving up the spare descriptor for a moment. Returns
/// false when there is no spare one to give up.
template <Syscalls Sys>
bool Reactor<Sys>::refuse_one(const Connection& listener) {
  if (spare_fd_ < 0) spare_fd_ = sys_->open_spare().value_or(-1);
  if (spare_fd_ < 0) return false;
  sys_->close(std::exchange(spare_fd_, -1));
  if (const auto socket = sys_->accept(listener.fd); socket) sys_->close(socket->fd);
  spare_fd_ = sys_->open_spare().value_or(-1);
  return true;
}

template <Syscalls Sys>
void Reactor<Sys>::refuse_accept(Connection& listener, std::string_view reason) {
  detail::count(counters_->refused_accepts);
  if (now_ms_ - listener.last_refusal_ms < detail::kRefusalReportMs) return;
  listener.last_refusal_ms = now_ms_;
  step(listener, Input::accept_failed, {.text = reason});
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Connected&&) {
  const Result<Endpoint> peer = sys_->peer_endpoint(connection.fd);
  const std::string host = peer ? peer->host() : std::string();
  step(connection, Input::connect_ok, {.text = host});
  if (traits(connection.state).flushes && !connection.queue.empty()) flush(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Received&& io) {
  detail::count(counters_->bytes_read, io.data.size());
  if (connection.state == State::lingering) {
    connection.dropped += static_cast<std::int64_t>(io.data.size());
    if (connection.dropped > tuning_.linger_bytes) return step(connection, Input::deadline);
  }
  step(connection, Input::received, {.data = std::move(io.data)});
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Eof&&) {
  step(connection, Input::eof);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, IoError&& io) {
  const bool connecting = traits(connection.state).watch == Watch::connect;
  const std::string reason = io.error.message();
  step(connection, connecting ? Input::connect_failed : Input::read_failed, {.text = reason});
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Writable&&) {
  if (traits(connection.state).flushes && !connection.queue.empty()) flush(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, HungUp&&) {
  step(connection, Input::hung_up);
}

// ---- Output

/// Writes until the queue is empty or the kernel takes no more. Requires: the state flushes, the
/// queue is not empty.
template <Syscalls Sys>
void Reactor<Sys>::flush(Connection& connection) {
  std::array<iovec, detail::kGatherMax> parts;
  while (!connection.queue.empty()) {
    const std::span<iovec> next = connection.queue.gather(parts);
    std::size_t offered = 0;
    for (const iovec& part : next) offered += part.iov_len;
    const Result<std::size_t> sent = sys_->send(connection.fd, next);
    if (!sent) {
      const std::error_code error = sent.error();
      if (error == std::errc::interrupted) continue;
      if (error == std::errc::resource_unavailable_try_again) break;
      const std::string reason = error.message();
      return step(connection, Input::write_failed, {.text = reason});
    }
    detail::count(counters_->bytes_written, *sent);
    connection.queue.consume(*sent);
    if (*sent < offered) break;
  }
  if (connection.queue.empty()) step(connection, Input::drained);
  if (connection.state != State::free) update_interest(connection);
}

/// Output that commands queued is written at once: most of it fits, and needs no wait for a
/// writable event.
template <Syscalls Sys>
void Reactor<Sys>::flush_dirty() {
  for (const SocketId id : dirty_) {
    Connection& connection = find(id);
    if (traits(connection.state).flushes && !connection.queue.empty()) flush(connection);
  }
  dirty_.clear();
}

// ---- The loop

template <Syscalls Sys>
int Reactor<Sys>::wait_ms(int timeout_ms) {
  const std::optional<std::int64_t> next_ms = deadlines_.next_ms();
  if (!next_ms) return timeout_ms;
  const std::int64_t until = std::clamp<std::int64_t>(*next_ms - now_ms_, 0, 3'600'000);
  return timeout_ms < 0 ? static_cast<int>(until)
                        : static_cast<int>(std::min<std::int64_t>(until, timeout_ms));
}

template <Syscalls Sys>
void Reactor<Sys>::expire_deadlines() {
  while (const std::optional<std::uint32_t> slot = deadlines_.take_expired(now_ms_)) {
    step(connections_[*slot], Input::deadline);
  }
}

/// As its owner would: sends what is queued first.
template <Syscalls Sys>
void Reactor<Sys>::close_softly(Connection& connection) {
  if (traits(connection.state).flushes && !connection.queue.empty()) flush(connection);
  if (connection.state == State::free || connection.state == State::lingering) return;
  const bool flushed =
      connection.queue.empty() && detail::can_occur(traits(connection.state), Input::close_flushed);
  step(connection, flushed ? Input::close_flushed : Input::close_pending);
}

template <Syscalls Sys>
void Reactor<Sys>::close_sockets_of_gone_owners() {
  std::vector<ServiceHandle> gone;
  {
    const std::lock_guard lock(shared_->gone_mutex);
    gone.swap(shared_->gone);
  }
  if (gone.empty()) return;
  for (Connection& connection : connections_) {
    if (connection.state != State::free &&
        std::ranges::find(gone, connection.owner) != gone.end()) {
      close_softly(connection);
    }
  }
}

template <Syscalls Sys>
void Reactor<Sys>::run_receivers() {
  if (std::exchange(delivered_, false) && sink_.run != nullptr) sink_.run(sink_.context);
}

template <Syscalls Sys>
bool Reactor<Sys>::poll(int timeout_ms) {
  const std::span<const Ready> ready = poller_.wait(wait_ms(timeout_ms));
  now_ms_ = sys_->now_ms();
  const bool commands =
      std::ranges::any_of(ready, [](const Ready& one) { return one.id == kControlReady; });
  if (commands) {
    channel_->receive([this](const auto& packet) {
      take_packet(packet);
      run_receivers();
    });
    flush_dirty();
  }
  if (shared_->woken.exchange(false)) {
    close_sockets_of_gone_owners();
    delivered_ = true;
    run_receivers();
  }
  for (const Ready& one : ready) {
    if (one.id != kControlReady) complete(one);
    run_receivers();
  }
  expire_deadlines();
  run_receivers();
  if (sink_.flush != nullptr) sink_.flush(sink_.context);
  return !exit_;
}

}  // namespace skysock
