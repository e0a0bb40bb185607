#pragma once

// Definitions of Reactor<Sys>, first part: the rule machine and the loop. Included by the file that
// instantiates it for a kernel, and by nothing else.

#include <algorithm>
#include <iterator>
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
/// Packets taken before events get a turn.
inline constexpr std::size_t kPacketsMax = 4'096;
/// Rounds of "services run, their commands run" before the kernel is asked again.
inline constexpr int kLocalRoundsMax = 64;
/// Output at which the first WARNING is due; the next ones at twice as much each.
inline constexpr std::uint64_t kWarnBytes = std::uint64_t{1} << 20U;
}  // namespace detail

template <Syscalls Sys>
Result<std::unique_ptr<Reactor<Sys>>> Reactor<Sys>::create(Sys& sys, Shared& shared,
                                                           ControlChannel<Sys>& channel,
                                                           ReactorCounters& counters,
                                                           const Tuning& tuning, EventSink sink) {
  Result<EpollPoller<Sys>> poller = EpollPoller<Sys>::create(sys, tuning);
  if (!poller) return Failure(poller.error());
  Result<void> added = poller->add(channel.ready_fd(), kControlReady, EPOLLIN);
  if (added && channel.wake_fd() >= 0) {
    added = poller->add(channel.wake_fd(), kControlReady, EPOLLIN);
  }
  if (!added) return Failure(added.error());
  const Result<int> spare = sys.open_spare();
  if (!spare) return Failure(spare.error());
  return std::make_unique<Reactor>(sys, shared, channel, counters, tuning, sink, std::move(*poller),
                                   *spare);
}

template <Syscalls Sys>
Reactor<Sys>::Reactor(Sys& sys, Shared& shared, ControlChannel<Sys>& channel,
                      ReactorCounters& counters, const Tuning& tuning, EventSink sink,
                      EpollPoller<Sys> poller, int spare_fd)
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

/// Does what comes with being in `next`: registration, time limit, the end.
template <Syscalls Sys>
void Reactor<Sys>::enter(Connection& connection, State next) {
  if (connection.state == State::lingering) --lingering_;
  if (next == State::free) return destroy(connection);
  if (next == State::lingering) ++lingering_;
  const auto watch = [](State state) { return detail::traits_of(state).watch; };
  if (watch(next) != watch(connection.state)) connection.rewatched = true;
  connection.state = next;
  publish(connection);
  start_deadline(connection);
  touch_interest(connection);
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
  const int fd = std::exchange(connection.fd, -1);
  if (fd < 0) return;
  if (connection.protocol != Protocol::borrowed) {
    sys_->close(fd);
  } else {
    if (connection.registered) [[maybe_unused]]
      const auto removed = poller_.remove(fd);
    if (!connection.was_nonblocking) [[maybe_unused]]
      const auto restored = sys_->set_nonblocking(fd, false);
  }
  connection.registered = false;
  connection.always_ready = false;
  connection.write_only = false;
  connection.interest = 0;
}

template <Syscalls Sys>
void Reactor<Sys>::destroy(Connection& connection) {
  if (&connection == &stale_) return;
  const std::uint32_t slot = slot_of(connection);
  deadlines_.remove(slot);
  timeouts_.remove(slot);
  {
    SharedSlot& shared = shared_->slots.at(connection.id);
    const Locked locked(*sys_, shared);
    shared.publish({});
    release_fd(connection);
    shared.fd = -1;
    shared.address_changes = 0;
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
      connection.more().unread.push_back(std::move(details.data));
      return;
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
  const Locked locked(*sys_, shared);
  return shared.address ? UdpAddress::from_endpoint(*shared.address) : UdpAddress();
}

template <Syscalls Sys>
void Reactor<Sys>::deliver_unread(Connection& connection) {
  if (!connection.extra) return;
  // A start in the middle of a hand-over owns the socket, but is not answered yet.
  if (detail::kHandover.contains(connection.state)) return;
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
  const Watch watch = detail::traits_of(connection.state).watch;
  const bool output = detail::traits_of(connection.state).flushes && !connection.queue_empty();
  const Watch before = std::exchange(connection.watched, watch);
  // An event may have been passed over even if the watch is what it was.
  const bool rewatched = std::exchange(connection.rewatched, false) || before != watch;
  if (connection.fd < 0) return;
  if (connection.always_ready) {
    const bool reads = watch == Watch::read && !connection.write_only;
    if (reads || output) poller_.look_again(connection.id);
    return;
  }
  if (!EpollPoller<Sys>::registers(watch, output)) {
    if (std::exchange(connection.registered, false)) [[maybe_unused]]
      const auto removed = poller_.remove(connection.fd);
    return;
  }
  const std::uint32_t wanted = poller_.mask(watch, output);
  if (!connection.registered) {
    const Result<void> added = poller_.add(connection.fd, connection.id, wanted);
    if (!added) return registration_failed(connection, added.error());
  } else if (wanted != connection.interest || poller_.must_rearm(before, watch, output)) {
    const Result<void> changed = poller_.modify(connection.fd, connection.id, wanted);
    if (!changed) return registration_failed(connection, changed.error());
  } else if (rewatched) {
    poller_.watch_changed(connection.id, watch);
  }
  connection.registered = true;
  connection.interest = wanted;
}

template <Syscalls Sys>
void Reactor<Sys>::registration_failed(Connection& connection, std::error_code error) {
  // epoll(7) knows no files: they are always ready.
  if (error == std::errc::operation_not_permitted && connection.protocol == Protocol::borrowed) {
    connection.always_ready = true;
    return poller_.look_again(connection.id);
  }
  const std::string reason = error.message();
  const bool creating = detail::is_creating(connection.state);
  step(connection, creating ? Input::create_failed : Input::read_failed, {.text = reason});
}

// ---- The loop

template <Syscalls Sys>
int Reactor<Sys>::wait_ms(int timeout_ms) {
  std::optional<std::int64_t> next_ms = deadlines_.next_ms();
  if (const auto timeout = timeouts_.next_ms(); timeout && (!next_ms || *timeout < *next_ms)) {
    next_ms = timeout;
  }
  if (!next_ms) return timeout_ms;
  const std::int64_t until = std::clamp<std::int64_t>(*next_ms - now_ms_, 0, 3'600'000);
  return timeout_ms < 0 ? static_cast<int>(until)
                        : static_cast<int>(std::min<std::int64_t>(until, timeout_ms));
}

template <Syscalls Sys>
void Reactor<Sys>::expire_deadlines() {
  while (const std::optional<std::uint32_t> slot = deadlines_.take_expired(now_ms_)) {
    step(connections_[*slot], Input::deadline);
    after_event();
  }
  while (const std::optional<std::uint32_t> slot = timeouts_.take_expired(now_ms_)) {
    expire_timeout(connections_[*slot]);
    after_event();
  }
}

/// What senders wrote themselves.
template <Syscalls Sys>
typename Reactor<Sys>::DirectWrites Reactor<Sys>::direct_writes(const Connection& connection) {
  SharedSlot& shared = shared_->slots.at(connection.id);
  const Locked locked(*sys_, shared);
  return {.bytes = shared.direct_bytes, .last_ms = shared.direct_bytes > 0 ? shared.direct_ms : -1};
}

/// A connect that took too long, or silence for too long.
template <Syscalls Sys>
void Reactor<Sys>::expire_timeout(Connection& connection) {
  if (detail::is_creating(connection.state)) {
    const std::string reason = std::make_error_code(std::errc::timed_out).message();
    return step(connection, Input::create_failed, {.text = reason});
  }
  const std::int64_t limit_ms = connection.more().idle_timeout_ms.value_or(tuning_.idle_timeout_ms);
  if (limit_ms <= 0 || detail::rule_of(connection.state, Input::read_failed) == nullptr) return;
  const std::int64_t quiet_since =
      std::max({connection.read_ms, connection.written_ms, direct_writes(connection).last_ms});
  if (quiet_since + limit_ms > now_ms_) {
    return timeouts_.set(slot_of(connection), quiet_since + limit_ms);
  }
  step(connection, Input::read_failed, {.text = "idle timeout"});
}

/// The connection is up: its time to connect is over, and silence counts from now on.
template <Syscalls Sys>
void Reactor<Sys>::start_idle_timeout(Connection& connection) {
  const auto set = connection.extra ? connection.extra->idle_timeout_ms : std::nullopt;
  const std::int64_t limit_ms = set.value_or(tuning_.idle_timeout_ms);
  timeouts_.remove(slot_of(connection));
  if (limit_ms > 0) timeouts_.set(slot_of(connection), now_ms_ + limit_ms);
  SharedSlot& shared = shared_->slots.at(connection.id);
  Published seen = shared.seen();
  if (std::exchange(seen.timed, limit_ms > 0) != seen.timed) shared.publish(seen);
}

/// Services run, and what they commanded, until nobody has anything to say.
template <Syscalls Sys>
void Reactor<Sys>::run_services() {
  for (int round = 0; round < detail::kLocalRoundsMax; ++round) {
    if (std::exchange(delivered_, false) && sink_.run != nullptr) sink_.run(sink_.context);
    if (local_.empty()) return;
    run_local();
  }
}

template <Syscalls Sys>
void Reactor<Sys>::run_local() {
  running_.swap(local_);
  for (const ControlPacket& packet : running_) run(packet);
  running_.clear();
}

template <Syscalls Sys>
void Reactor<Sys>::run_commands() {
  if (channel_->pending()) {
    channel_->receive([this](const auto& packet) { take_packet(packet); }, detail::kPacketsMax);
  }
  after_event();
  if (!dirty_.empty()) apply_changes();
}

/// What cannot be said in a packet. Whoever asks is done with its packets: they come first.
template <Syscalls Sys>
void Reactor<Sys>::run_inbox() {
  if (!shared_->woken.load(std::memory_order_relaxed) || !shared_->woken.exchange(false)) return;
  std::vector<ServiceHandle> gone;
  std::vector<Inbox::Visit> visits;
  {
    const std::lock_guard lock(shared_->inbox.mutex);
    gone.swap(shared_->inbox.gone);
    visits.swap(shared_->inbox.visits);
  }
  while (channel_->pending() && !exit_) {
    const std::size_t taken =
        channel_->receive([this](const auto& packet) { take_packet(packet); }, detail::kPacketsMax);
    if (taken > 0) continue;
    // A sender is in the middle of a packet, and theirs may be behind it.
    const std::lock_guard lock(shared_->inbox.mutex);
    shared_->inbox.gone.insert(shared_->inbox.gone.end(), gone.begin(), gone.end());
    std::ranges::move(visits, std::back_inserter(shared_->inbox.visits));
    shared_->woken.store(true, std::memory_order_seq_cst);
    return;
  }
  take_answers();
  for (const ServiceHandle owner : gone) {
    for (Connection& connection : connections_) {
      if (connection.state == State::free) continue;
      // In a hand-over both the old and the next owner may end.
      const bool gave = gives(connection) && connection.extra->given_by == owner;
      if (connection.owner == owner || gave) owner_left(connection);
    }
  }
  for (Inbox::Visit& visit : visits) visit();
  delivered_ = true;  // Whoever called wake() may only want services to run.
  after_event();
}

/// Writes what was queued and tells the poller what changed. Most output fits, and needs no wait
/// for a writable event; most changes of mind never reach the kernel.
template <Syscalls Sys>
void Reactor<Sys>::apply_changes() {
  for (std::size_t at = 0; at < dirty_.size(); ++at) {
    Connection& connection = find(dirty_[at]);
    connection.dirty = false;
    flush(connection);
  }
  dirty_.clear();
}

/// Asks the kernel and the channel without sleeping, for as long as the tuning says but not past
/// the next time limit. Returns what is ready; nothing when a command came or the time is over.
template <Syscalls Sys>
std::span<const Ready> Reactor<Sys>::busy_poll(int timeout_ms) {
  const auto has_work = [this] {
    return channel_->pending() || shared_->woken.load(std::memory_order_relaxed);
  };
  if (timeout_ms == 0 || !local_.empty() || has_work()) return {};
  counters_->busy_polls.add();
  std::int64_t limit_us = tuning_.busy_poll_us;
  if (const int wait = wait_ms(timeout_ms); wait >= 0) {
    limit_us = std::min(limit_us, std::int64_t{wait} * 1'000);
  }
  for (const std::int64_t end_us = sys_->now_us() + limit_us; sys_->now_us() < end_us;) {
    counters_->waits.add();
    const std::span<const Ready> ready = poller_.wait(0);
    if (!ready.empty() || has_work()) return ready;
  }
  counters_->busy_polls_in_vain.add();
  return {};
}

template <Syscalls Sys>
std::span<const Ready> Reactor<Sys>::sleep(int timeout_ms) {
  const bool announced = timeout_ms != 0 && local_.empty() && channel_->prepare_wait();
  const bool sleeps = announced && !shared_->woken.load(std::memory_order_seq_cst);
  counters_->waits.add();
  const std::span<const Ready> ready = poller_.wait(sleeps ? wait_ms(timeout_ms) : 0);
  if (announced) channel_->finish_wait();
  return ready;
}

template <Syscalls Sys>
std::span<const Ready> Reactor<Sys>::wait(int timeout_ms) {
  std::span<const Ready> ready;
  if (tuning_.busy_poll_us > 0) [[unlikely]]
    ready = busy_poll(timeout_ms);
  if (ready.empty()) ready = sleep(timeout_ms);
  if (!ready.empty()) counters_->wakeups.add();
  now_ms_ = sys_->now_ms();
  shared_->now_ms.store(now_ms_, std::memory_order_relaxed);
  return ready;
}

template <Syscalls Sys>
bool Reactor<Sys>::poll(int timeout_ms) {
  std::span<const Ready> ready = wait(timeout_ms);
  run_inbox();
  run_commands();
  for (const Ready& one : ready) {
    if (one.id == kControlReady) continue;
    complete(one);
    after_event();
    if (tuning_.ctrl_every_event != 0 && channel_->pending()) run_commands();
  }
  expire_deadlines();
  for (;;) {
    apply_changes();
    for (std::size_t at = 0; at < changed_.size(); ++at) {
      Connection& connection = find(changed_[at]);
      connection.changed = false;
      if (connection.state != State::free) update_interest(connection);
    }
    changed_.clear();
    after_event();
    if (dirty_.empty() && changed_.empty()) break;
  }
  if (sink_.flush != nullptr) sink_.flush(sink_.context);
  return !exit_;
}

template <Syscalls Sys>
std::vector<SocketInfo> Reactor<Sys>::netstat() {
  std::vector<SocketInfo> all;
  const auto ago = [this](std::int64_t ms) { return ms < 0 ? ms : sys_->now_ms() - ms; };
  const auto text = [](const Result<Endpoint>& endpoint) {
    return endpoint ? endpoint->text() : std::string();
  };
  for (const Connection& connection : connections_) {
    if (connection.state == State::free) continue;
    const DirectWrites direct = direct_writes(connection);
    const std::uint32_t interest = connection.registered ? connection.interest : 0;
    const bool reads = connection.watched == Watch::read || connection.watched == Watch::accept ||
                       connection.watched == Watch::datagram;
    const bool addressed = connection.fd >= 0 && connection.protocol != Protocol::borrowed;
    SocketInfo info{.id = connection.id,
                    .owner = connection.owner,
                    .state = connection.state,
                    .protocol = connection.protocol,
                    .read_bytes = connection.read_bytes,
                    .written_bytes = connection.written_bytes + direct.bytes,
                    .read_ms_ago = ago(connection.read_ms),
                    .written_ms_ago = ago(std::max(connection.written_ms, direct.last_ms)),
                    .queued_bytes = pending(connection),
                    .reading = connection.registered && reads,
                    .writing = (interest & EPOLLOUT) != 0 && !connection.queue_empty()};
    if (addressed) info.local = text(sys_->local_endpoint(connection.fd));
    if (addressed) info.peer = text(sys_->peer_endpoint(connection.fd));
    if (is_udp(connection.protocol) && connection.extra && !connection.extra->address.empty()) {
      info.peer = connection.extra->address.endpoint().text();
    }
    all.push_back(std::move(info));
  }
  return all;
}

}  // namespace skysock
