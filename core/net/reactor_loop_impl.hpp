#pragma once

// Definitions of Reactor<Sys>: the loop.

#include <iterator>

#include "core/net/reactor_impl.hpp"

namespace skysock {

namespace detail {
/// Packets taken before events get a turn.
inline constexpr std::size_t kPacketsMax = 4'096;
/// Rounds of "services run, their commands run" before the kernel is asked again.
inline constexpr int kLocalRoundsMax = 64;
/// Slots looked at, for the sockets of services that ended, before events get a turn.
inline constexpr std::size_t kSlotsPerLook = 16'384;
}  // namespace detail

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
  const Locked locked(*this, shared);
  return {.bytes = shared.direct_bytes, .last_ms = shared.direct_bytes > 0 ? shared.direct_ms : -1};
}

/// A connect that took too long, or silence for too long.
template <Syscalls Sys>
void Reactor<Sys>::expire_timeout(Connection& connection) {
  if (detail::is_creating(connection.state)) {
    return fail(connection, Input::create_failed, std::make_error_code(std::errc::timed_out));
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
  shared_->slots.at(connection.id).republish([timed = limit_ms > 0](Published& seen) {
    const bool was = std::exchange(seen.timed, timed);
    return was != timed;
  });
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

/// What cannot be said in a packet, and what the resolver found.
template <Syscalls Sys>
void Reactor<Sys>::take_inbox() {
  if (!shared_->woken.load(std::memory_order_relaxed) || !shared_->woken.exchange(false)) return;
  {
    const std::lock_guard lock(shared_->inbox.mutex);
    std::ranges::move(shared_->inbox.visits, std::back_inserter(visits_));
    shared_->inbox.visits.clear();
  }
  take_answers();
  delivered_ = true;  // Whoever called wake() may only want services to run.
  after_event();
}

/// Whoever asks is done with its packets: they come first. Those of others that came since may not
/// keep it waiting.
template <Syscalls Sys>
void Reactor<Sys>::run_visits() {
  while (!visits_.empty() && channel_->passed(visits_.front().mark)) {
    Inbox::Visit visit = std::move(visits_.front());
    visits_.pop_front();
    visit.call();
  }
}

/// One look at each slot serves all services that ended before it.
template <Syscalls Sys>
void Reactor<Sys>::close_sockets_of_ended() {
  const std::size_t slots = std::min(connections_.size(), detail::kSlotsPerLook);
  for (std::size_t looked = 0; looked < slots; ++looked) {
    Connection& connection = connections_[next_slot_];
    next_slot_ = next_slot_ + 1 == connections_.size() ? 0 : next_slot_ + 1;
    if (connection.state == State::free) continue;
    // In a hand-over both the old and the next owner may end.
    const bool gave = gives(connection) && ended_.contains(connection.extra->given_by);
    if (gave || ended_.contains(connection.owner)) owner_left(connection);
  }
  for (auto& [service, slots_left] : ended_) slots_left -= std::min(slots_left, slots);
  std::erase_if(ended_, [](const auto& one) { return one.second == 0; });
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
  if (timeout_ms == 0 || has_more_to_do() || has_work()) return {};
  counters_->busy_polls.add();
  std::int64_t limit_us = tuning_.busy_poll_us;
  if (const int wait = wait_ms(timeout_ms); wait >= 0) {
    limit_us = std::min(limit_us, std::int64_t{wait} * 1'000);
  }
  for (const std::int64_t end_us = sys_->now_us() + limit_us; sys_->now_us() < end_us;) {
    counters_->waits.add();
    const std::span<const Ready> ready = poller_.wait(0, on_sent());
    if (!ready.empty() || has_work()) return ready;
  }
  counters_->busy_polls_in_vain.add();
  return {};
}

template <Syscalls Sys>
std::span<const Ready> Reactor<Sys>::sleep(int timeout_ms) {
  const bool announced = timeout_ms != 0 && !has_more_to_do() && channel_->prepare_wait();
  const bool sleeps = announced && !shared_->woken.load(std::memory_order_seq_cst);
  counters_->waits.add();
  sys_->yield_point(YieldPoint::wait_announced);
  const std::span<const Ready> ready = poller_.wait(sleeps ? wait_ms(timeout_ms) : 0, on_sent());
  if (output_waits_) [[unlikely]]
    output_waits_ = poller_.has_sends();
  if (announced) channel_->finish_wait();
  return ready;
}

template <Syscalls Sys>
std::span<const Ready> Reactor<Sys>::wait(int timeout_ms) {
  std::span<const Ready> ready;
  if (tuning_.busy_poll_us > 0) [[unlikely]] {
    const std::int64_t begin_ms = sys_->now_ms();
    ready = busy_poll(timeout_ms);
    now_ms_ = sys_->now_ms();
    const std::int64_t left_ms = timeout_ms - (now_ms_ - begin_ms);
    if (timeout_ms > 0) timeout_ms = static_cast<int>(std::max<std::int64_t>(left_ms, 0));
  }
  if (ready.empty()) ready = sleep(timeout_ms);
  if (!ready.empty()) counters_->wakeups.add();
  now_ms_ = sys_->now_ms();
  shared_->now_ms.store(now_ms_, std::memory_order_relaxed);
  return ready;
}

template <Syscalls Sys>
bool Reactor<Sys>::poll(int timeout_ms) {
  std::span<const Ready> ready = wait(timeout_ms);
  take_inbox();
  run_commands();
  run_visits();
  if (!ended_.empty()) close_sockets_of_ended();
  for (const Ready& one : ready) {
    if (one.id == kControlReady) continue;
    sys_->yield_point(YieldPoint::event_taken, one.id);
    complete(one);
    after_event();
    if (tuning_.ctrl_every_event != 0 && channel_->pending()) run_commands();
  }
  expire_deadlines();
  for (int round = 0; round < detail::kLocalRoundsMax; ++round) {
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
  if (exit_) poller_.stop(on_sent());
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
    const Registration& registration = connection.registration;
    const Watch watch = registration.watch;
    const bool reads = watch == Watch::read || watch == Watch::accept || watch == Watch::datagram;
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
                    .reading = (registration.known || registration.by_ring) && reads,
                    .writing = registration.known && (registration.interest & EPOLLOUT) != 0 &&
                               !connection.queue_empty()};
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
