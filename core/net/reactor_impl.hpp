#pragma once

// Definitions of Reactor<Sys>: the rule machine. Included by the file that instantiates
// it for a kernel, and by nothing else.

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
/// Output at which the first WARNING is due; the next ones at twice as much each.
inline constexpr std::uint64_t kWarnBytes = std::uint64_t{1} << 20U;
}  // namespace detail

template <Syscalls Sys>
Result<std::unique_ptr<Reactor<Sys>>> Reactor<Sys>::create(Sys& sys, Shared& shared,
                                                           ControlChannel<Sys>& channel,
                                                           ReactorCounters& counters,
                                                           const Tuning& tuning, EventSink sink) {
  Result<Poller<Sys>> poller = Poller<Sys>::create(sys, tuning);
  if (!poller) return Failure(poller.error());
  Result<void> added = poller->add_channel(channel.ready_fd());
  if (added && channel.wake_fd() >= 0) added = poller->add_channel(channel.wake_fd());
  if (!added) return Failure(added.error());
  const Result<int> spare = sys.open_spare();
  if (!spare) return Failure(spare.error());
  return std::make_unique<Reactor>(sys, shared, channel, counters, tuning, sink, std::move(*poller),
                                   *spare);
}

template <Syscalls Sys>
Reactor<Sys>::Reactor(Sys& sys, Shared& shared, ControlChannel<Sys>& channel,
                      ReactorCounters& counters, const Tuning& tuning, EventSink sink,
                      Poller<Sys> poller, int spare_fd)
    : sys_(&sys),
      shared_(&shared),
      channel_(&channel),
      counters_(&counters),
      tuning_(tuning),
      sink_(sink),
      poller_(std::move(poller)),
      resolver_(sys,
                [&shared, &channel] {
                  shared.woken.store(true, std::memory_order_seq_cst);
                  channel.wake();
                }),
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
Reactor<Sys>::~Reactor() {
  poller_.stop(on_sent());
  for (Connection& connection : connections_) {
    if (connection.state != State::free) destroy(connection);
  }
  if (spare_fd_ >= 0) sys_->close(spare_fd_);
}

// ---- The rule machine

template <Syscalls Sys>
std::uint32_t Reactor<Sys>::slot_of(const Connection& connection) const {
  return static_cast<std::uint32_t>(&connection - connections_.data());
}

template <Syscalls Sys>
typename Reactor<Sys>::Connection& Reactor<Sys>::find(SocketId id) {
  const SharedSlot* shared = shared_->slots.find(id);
  if (shared == nullptr) {
    SKYSOCK_CHECK(stale_.state == State::free);
    SKYSOCK_CHECK(stale_.fd < 0);
    SKYSOCK_CHECK(stale_.queue_empty());
    stale_.id = id;
    return stale_;
  }
  Connection& connection = connections_[shared_->slots.index(id)];
  if (connection.state == State::free) {
    // The first command for a fresh id.
    connection.id = id;
    connection.owner = shared->reserved_by.load(std::memory_order_relaxed);
    connection.protocol = shared->seen().protocol;
    connection.state = State::reserved;
    connection.read_size = poller_.first_read_size();
  }
  SKYSOCK_CHECK(connection.id == id);
  return connection;
}

template <Syscalls Sys>
void Reactor<Sys>::step(Connection& connection, Input input, Details&& details) {
  const Rule* rule = detail::rule_of(connection.state, input);
  SKYSOCK_CHECK(rule != nullptr);
  if (rule->act == Act::own) connection.owner = details.requester;
  const SocketId id = connection.id;
  const ServiceHandle owner = connection.owner;
  if (observer_.on_step != nullptr) {
    observer_.on_step(observer_.context,
                      {.now_ms = now_ms_, .id = id, .owner = owner, .rule = *rule});
  }
  if (rule->to == State::free && rule->from != State::free) {
    // Gone before the owner hears of it: after CLOSE the descriptor is closed and the port free.
    counters_->closes[detail::index(input)].add();
    enter(connection, State::free);
    emit(id, owner, rule->emit, details);
    return;
  }
  const bool moves = rule->to != rule->from;
  // Published before the owner hears of it: after OPEN every send is accepted.
  if (moves) enter(connection, rule->to);
  const bool heard = emit(id, owner, rule->emit, details);
  act(connection, rule->act, details);
  if (!heard && connection.id == id) owner_left(connection);
}

/// A step whose owner is told the words for `error`.
template <Syscalls Sys>
void Reactor<Sys>::fail(Connection& connection, Input input, std::error_code error) {
  const std::string reason = error.message();
  step(connection, input, {.text = reason});
}

/// Does what comes with being in `next`: registration, time limit, the end.
template <Syscalls Sys>
void Reactor<Sys>::enter(Connection& connection, State next) {
  if (connection.state == State::lingering) --lingering_;
  if (next == State::free) return destroy(connection);
  if (next == State::lingering) ++lingering_;
  const auto watch = [](State state) { return detail::traits_of(state).watch; };
  if (watch(next) != watch(connection.state)) connection.registration.rewatched = true;
  connection.state = next;
  publish(connection);
  start_deadline(connection);
  touch_interest(connection);
  sys_->yield_point(YieldPoint::state_entered, connection.id);
}

template <Syscalls Sys>
void Reactor<Sys>::publish(const Connection& connection) {
  SharedSlot& shared = shared_->slots.at(connection.id);
  Published what = shared.seen();
  what.state = connection.state;
  what.send = detail::traits_of(connection.state).send;
  // A borrowed descriptor has no write(2) that is safe on any thread; what failed is not tried
  // again.
  const bool indirect = connection.protocol == Protocol::borrowed || tuning_.direct_write == 0 ||
                        write_has_failed(connection);
  if (what.send == SendMode::direct && indirect) what.send = SendMode::queued;
  what.protocol = connection.protocol;
  shared.publish(what);
}

template <Syscalls Sys>
void Reactor<Sys>::start_deadline(const Connection& connection) {
  const std::uint32_t slot = slot_of(connection);
  const Deadline kind = detail::traits_of(connection.state).deadline;
  if (deadlines_.kind(slot) == kind) return;
  deadlines_.remove(slot);
  const std::int64_t limit_ms = limits_ms_[static_cast<std::size_t>(kind)];
  if (kind != Deadline::none && limit_ms > 0) deadlines_.add(slot, kind, now_ms_ + limit_ms);
}

/// Closes the descriptor, or gives a borrowed one back as it was.
template <Syscalls Sys>
void Reactor<Sys>::release_fd(Connection& connection) {
  if (connection.fd < 0) return;
  if (connection.protocol != Protocol::borrowed) {
    poller_.leave(connection.polled(), on_sent());
    sys_->close(connection.fd);
  } else {
    poller_.forget(connection.polled());
    if (!connection.was_nonblocking) [[maybe_unused]]
      const auto restored = sys_->set_nonblocking(connection.fd, false);
  }
  connection.fd = -1;
  connection.registration = {};
}

template <Syscalls Sys>
void Reactor<Sys>::destroy(Connection& connection) {
  if (&connection == &stale_) return;
  const std::uint32_t slot = slot_of(connection);
  deadlines_.remove(slot);
  timeouts_.remove(slot);
  {
    SharedSlot& shared = shared_->slots.at(connection.id);
    const Locked locked(*this, shared);
    shared.publish({});
    release_fd(connection);
    sys_->yield_point(YieldPoint::descriptor_closed, connection.id);
    shared.fd = -1;
    shared.addressing.reset();
    shared.remainder.reset();
    shared.address.reset();
    shared.direct_bytes = 0;
    shared.direct_ms = 0;
    shared.output.reset(connection.id);
    shared.reserved_by.store(0, std::memory_order_relaxed);
    // Under the lock: nobody may change, in the name of the old id, what the next one finds.
    shared_->slots.release(connection.id);
  }
  connection = Connection{};
  sys_->yield_point(YieldPoint::slot_freed);
}

template <Syscalls Sys>
void Reactor<Sys>::act(Connection& connection, Act what, Details& details) {
  switch (what) {
    case Act::nothing:
      return;
    case Act::own:
    case Act::deliver_unread:
      return deliver_unread(connection);
    case Act::keep:
      return act_keep(connection, details);
    case Act::queue:
      return act_queue(connection, details);
    case Act::drop:
      details.data = Block();
      if (details.counted_bytes > 0) {
        counters_->dropped_sends.add();
        forget_output(connection.id, details.counted_bytes);
      }
      return;
    case Act::drop_queue:
      return drop_output(connection);
    case Act::flush:
      return flush(connection);
    case Act::set_option:
      if (details.option != nullptr) {
        // An option that the kernel refuses is no reason to stop talking.
        [[maybe_unused]] const auto set = set_option(connection, *details.option);
      }
      return;
    case Act::set_address:
      connection.more().address = *details.address;
      return;
    case Act::finish_write: {
      // A failure means that the peer is gone already: the poller will say so.
      [[maybe_unused]] const auto ignored = sys_->shutdown_write(connection.fd);
      return;
    }
  }
}

template <Syscalls Sys>
void Reactor<Sys>::act_queue(Connection& connection, Details& details) {
  if (write_has_failed(connection)) return act(connection, Act::drop, details);
  if (is_udp(connection.protocol)) {
    const UdpAddress to =
        details.address != nullptr ? *details.address : default_address(connection);
    if (to.empty()) return act(connection, Act::drop, details);
    connection.out().datagrams.push({.payload = std::move(details.data), .to = to},
                                    details.priority);
  } else {
    connection.out().stream.push(std::move(details.data), details.priority);
  }
  warn(connection);
  if (connection.dirty) return;
  connection.dirty = true;
  dirty_.push_back(connection.id);
}

/// Where datagrams without an address go; empty: nowhere. A send may overtake the packet that says
/// so to the reactor: then the slot knows already.
template <Syscalls Sys>
UdpAddress Reactor<Sys>::default_address(Connection& connection) {
  const UdpAddress& told = connection.more().address;
  if (!told.empty()) return told;
  SharedSlot& shared = shared_->slots.at(connection.id);
  const Locked locked(*this, shared);
  return shared.address ? UdpAddress::from_endpoint(*shared.address) : UdpAddress();
}

/// Only who gave the socket up can give anything back, and no more than the socket ever received.
template <Syscalls Sys>
void Reactor<Sys>::act_keep(Connection& connection, Details& details) {
  Extra& extra = connection.more();
  const std::size_t bytes = details.data.size();
  if (extra.given_by != details.requester) return;
  if (extra.unread_bytes + bytes > connection.read_bytes) return;
  extra.unread_bytes += bytes;
  extra.unread.push_back(std::move(details.data));
}

template <Syscalls Sys>
void Reactor<Sys>::deliver_unread(Connection& connection) {
  if (!connection.extra) return;
  // A start in the middle of a hand-over owns the socket, but is not answered yet.
  if (detail::kHandover.contains(connection.state)) return;
  connection.extra->unread_bytes = 0;
  for (Block& block : std::exchange(connection.extra->unread, {})) {
    const auto size = static_cast<std::int64_t>(block.size());
    deliver(EventKind::data, connection.id, connection.owner, size, std::move(block));
  }
  const std::error_code error = connection.extra->write_error;
  if (error && connection.state == State::connected) write_failed(connection, error);
}

/// Returns false when the owner is gone.
template <Syscalls Sys>
bool Reactor<Sys>::emit(SocketId id, ServiceHandle owner, Emit what, Details& details) {
  const auto text = [](std::string_view words) { return Block::copy_of(words); };
  // Answers to a requester who need not be the owner: that it is gone says nothing about the
  // socket.
  const auto answer = [&](std::string_view words) {
    deliver(EventKind::error, id, details.requester, 0, text(words));
    return true;
  };
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
    case Emit::udp:
      return deliver(EventKind::udp, id, owner, details.ud, std::move(details.data));
    case Emit::handover:
      return deliver(EventKind::handover, id, owner, 0, {});
    case Emit::close:
      return deliver(EventKind::close, id, owner, 0, {});
    case Emit::error:
      return deliver(EventKind::error, id, owner, 0, text(details.text));
    case Emit::error_then_close:
      return deliver(EventKind::error, id, owner, 0, text(details.text)) &&
             deliver(EventKind::close, id, owner, 0, {});
    case Emit::error_invalid:
      return answer("invalid socket");
    case Emit::error_closed:
      return answer("socket closed");
    case Emit::error_busy:
      return answer("socket is being handed over");
  }
  return true;
}

template <Syscalls Sys>
bool Reactor<Sys>::deliver(EventKind kind, SocketId id, ServiceHandle to, std::int64_t ud,
                           Block data) {
  delivered_ = true;
  const bool heard = sink_.deliver(
      sink_.context, Event{.kind = kind, .id = id, .to = to, .ud = ud, .data = std::move(data)});
  if (!heard) counters_->refused_events.add();
  return heard;
}

/// What was read, when nothing else is to be done: the owner runs at once, unless somebody comes
/// first. What it commands is not carried out before this has returned.
template <Syscalls Sys>
bool Reactor<Sys>::deliver_last(const Connection& connection, Block data) {
  const auto size = static_cast<std::int64_t>(data.size());
  if (delivered_ || sink_.deliver_and_run == nullptr) {
    return deliver(EventKind::data, connection.id, connection.owner, size, std::move(data));
  }
  const bool heard = sink_.deliver_and_run(sink_.context, {.kind = EventKind::data,
                                                           .id = connection.id,
                                                           .to = connection.owner,
                                                           .ud = size,
                                                           .data = std::move(data)});
  if (!heard) counters_->refused_events.add();
  return heard;
}

/// Nobody lives at the owner's handle: what it left behind is closed, what it sent is still sent.
template <Syscalls Sys>
void Reactor<Sys>::owner_left(Connection& connection) {
  switch (connection.state) {
    case State::handing_over:
    case State::handing_over_started:
      return step(connection, Input::hand_over_done);
    case State::handed_over:
      return;
    default:
      if (connection.state == State::free || connection.state == State::lingering) return;
      if (detail::kDraining.contains(connection.state)) return;
      return close_softly(connection);
  }
}

/// The poller is told once per batch, of what is true then.
template <Syscalls Sys>
void Reactor<Sys>::touch_interest(Connection& connection) {
  if (connection.changed) return;
  connection.changed = true;
  changed_.push_back(connection.id);
}

/// Brings the poller's registration in line with state and queue.
template <Syscalls Sys>
void Reactor<Sys>::update_interest(Connection& connection) {
  const StateTraits& traits = detail::traits_of(connection.state);
  const bool output = traits.flushes && !connection.queue_empty();
  const Result<void> told = poller_.watch(connection.polled(), traits.watch, output);
  if (!told) registration_failed(connection, told.error());
}

template <Syscalls Sys>
void Reactor<Sys>::registration_failed(Connection& connection, std::error_code error) {
  const bool creating = detail::is_creating(connection.state);
  fail(connection, creating ? Input::create_failed : Input::read_failed, error);
}

}  // namespace skysock
