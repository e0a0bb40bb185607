#pragma once

// Definitions of Reactor<Sys>: completed I/O and output.

#include "core/net/reactor_impl.hpp"

namespace skysock {

template <Syscalls Sys>
void Reactor<Sys>::complete(const Ready& ready) {
  counters_->events.add();
  Connection& connection = connections_[shared_->slots.index(ready.id)];
  if (connection.state == State::free || connection.id != ready.id) [[unlikely]] {
    if (poller_.drop(ready)) counters_->stale_events.add();
    return;
  }
  const State state = connection.state;
  const Watch watch = detail::traits_of(state).watch;
  poller_.with([&](auto& poller) {
    poller.complete(ready.events, connection.polled(), watch, [&](auto&& io) {
      on_io(connection, std::forward<decltype(io)>(io));
      // Services answer each read before the next, so that an answer is not behind a whole stream.
      if (sink_.run != nullptr) after_event();
      return connection.id == ready.id && detail::traits_of(connection.state).watch == watch;
    });
  });
  if (connection.id == ready.id && connection.registration.always_ready) touch_interest(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& listener, Accepted&& io) {
  const auto limit = static_cast<std::uint32_t>(tuning_.output_limit_bytes);
  const std::optional<SocketId> id = shared_->slots.reserve(
      listener.owner, Protocol::tcp, limit, static_cast<LimitPolicy>(tuning_.output_limit_policy));
  if (!id) {
    sys_->close(io.socket.fd);
    counters_->refused_accepts.add();
    return refuse_accept(listener, "no socket slot is free");
  }
  counters_->accepts.add();
  listener.read_bytes += 1;
  listener.read_ms = now_ms_;
  Connection& connection = find(*id);
  adopt(connection, io.socket.fd, listener.owner, Protocol::tcp);
  connection.nodelay = listener.nodelay;
  enter(connection, State::paccept);
  const SocketId listener_id = listener.id;
  const std::string peer = io.socket.peer.text();
  step(listener, Input::accepted, {.ud = *id, .text = peer});
  // Nobody heard of it: the listener was closed, and its owner will never start this one.
  if (listener.id != listener_id) step(connection, Input::close_final);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& listener, AcceptFailed&& io) {
  const SocketId id = listener.id;
  const bool out_of_fds = io.error == std::errc::too_many_files_open ||
                          io.error == std::errc::too_many_files_open_in_system;
  const std::string reason = io.error.message();
  const Refusal refusal = out_of_fds ? refuse_one(listener) : Refusal::impossible;
  // Without a free descriptor accept(2) does not even look whether somebody waits.
  if (refusal == Refusal::nobody_waits) return;
  refuse_accept(listener, reason);
  if (listener.id != id || listener.state != State::listening) return;
  if (refusal == Refusal::done) return poller_.unread_left(listener.polled());
  step(listener, Input::accept_starved);
}

/// Takes one connection out of the backlog by giving up the spare descriptor for a moment. It stays
/// there when there is no spare one to give up, or somebody else was faster to take its place.
template <Syscalls Sys>
typename Reactor<Sys>::Refusal Reactor<Sys>::refuse_one(const Connection& listener) {
  if (spare_fd_ < 0) spare_fd_ = sys_->open_spare().value_or(-1);
  if (spare_fd_ < 0) return Refusal::impossible;
  sys_->close(std::exchange(spare_fd_, -1));
  const Result<AcceptedSocket> socket = sys_->accept(listener.fd);
  if (socket) {
    sys_->close(socket->fd);
    counters_->refused_accepts.add();
  }
  spare_fd_ = sys_->open_spare().value_or(-1);
  if (socket) return Refusal::done;
  const bool empty = socket.error() == std::errc::resource_unavailable_try_again;
  return empty ? Refusal::nobody_waits : Refusal::impossible;
}

/// Tells the listener's owner, now and then.
template <Syscalls Sys>
void Reactor<Sys>::refuse_accept(Connection& listener, std::string_view reason) {
  Extra& extra = listener.more();
  if (now_ms_ - extra.last_refusal_ms < detail::kRefusalReportMs) return;
  extra.last_refusal_ms = now_ms_;
  step(listener, Input::accept_failed, {.text = reason});
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Connected&&) {
  const SocketId id = connection.id;
  const Result<Endpoint> peer = sys_->peer_endpoint(connection.fd);
  const std::string host = peer ? peer->host() : std::string();
  connection.more().endpoints = {};
  start_idle_timeout(connection);
  step(connection, Input::connect_ok, {.text = host});
  if (connection.id == id) flush(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Received&& io) {
  const std::size_t bytes = io.data.size();
  counters_->bytes_read.add(bytes);
  connection.read_bytes += bytes;
  connection.read_ms = now_ms_;
  if (connection.state == State::lingering) [[unlikely]] {
    std::int64_t& dropped = connection.more().dropped;
    dropped += static_cast<std::int64_t>(bytes);
    if (dropped > tuning_.linger_bytes) return step(connection, Input::deadline);
  }
  const auto size = static_cast<std::int64_t>(bytes);
  const Rule* rule = detail::rule_of(connection.state, Input::received);
  const bool rare = rule->emit != Emit::data || rule->from != rule->to;
  if (rare || observer_.on_step != nullptr) [[unlikely]] {
    return step(connection, Input::received, {.ud = size, .data = std::move(io.data)});
  }
  // step(), for the one rule that is applied to every message.
  if (!deliver_last(connection, std::move(io.data))) [[unlikely]]
    owner_left(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, ReceivedFrom&& io) {
  // What comes from the other family cannot be answered.
  const std::size_t address_bytes = io.data.size() - io.bytes;
  const bool v4 = connection.protocol == Protocol::udp_v4;
  if (address_bytes != (v4 ? UdpAddress::kBytesV4 : UdpAddress::kBytesV6)) return;
  counters_->datagrams_read.add();
  counters_->bytes_read.add(io.bytes);
  connection.read_bytes += io.bytes;
  connection.read_ms = now_ms_;
  const auto size = static_cast<std::int64_t>(io.bytes);
  step(connection, Input::datagram, {.ud = size, .data = std::move(io.data)});
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Eof&&) {
  step(connection, Input::eof);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, IoError&& io) {
  if (detail::traits_of(connection.state).watch == Watch::connect) {
    connection.more().last_error = io.error;
    return connect_next(connection);
  }
  // The end of a pipe that can only be written cannot be asked what is wrong with it: its reader is
  // gone.
  const bool pipe_end =
      connection.protocol == Protocol::borrowed && io.error == std::errc::bad_file_descriptor;
  const std::error_code error = pipe_end ? std::make_error_code(std::errc::broken_pipe) : io.error;
  fail(connection, Input::read_failed, error);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, DatagramError&& io) {
  fail(connection, Input::udp_failed, io.error);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, Writable&&) {
  // A one-shot registration is spent: the poller hears again what is wanted.
  if (detail::traits_of(connection.state).watch == Watch::output) touch_interest(connection);
  if (!connection.queue_empty()) flush(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::on_io(Connection& connection, HungUp&&) {
  step(connection, Input::hung_up);
}

// ---- Output

/// Every byte that is on its way out: in the channel, parked, or queued.
template <Syscalls Sys>
std::uint64_t Reactor<Sys>::pending(const Connection& connection) const {
  return shared_->slots.at(connection.id).output.bytes(connection.id).value_or(0);
}

template <Syscalls Sys>
bool Reactor<Sys>::has_output(const Connection& connection) const {
  return pending(connection) > 0;
}

/// Whether a close that has sent everything waits for the peer's EOF.
template <Syscalls Sys>
bool Reactor<Sys>::lingers(const Connection& connection) const {
  return connection.protocol == Protocol::tcp && tuning_.linger_ms > 0 &&
         tuning_.linger_bytes > 0 && lingering_ < tuning_.linger_sockets;
}

/// Puts what a direct write left in front of the queue; says that the write failed if it did.
/// Returns whether there may be something to write: not while a sender is writing (it posts an
/// ArmWritePacket when it is done), and not after a failure.
template <Syscalls Sys>
bool Reactor<Sys>::take_remainder(Connection& connection) {
  SharedSlot& shared = shared_->slots.at(connection.id);
  if (!shared.lock.try_lock_or_ask()) {
    output_waits_ |= poller_.has_sends();
    return false;
  }
  const std::unique_ptr<Remainder> remainder = std::move(shared.remainder);
  [[maybe_unused]] const bool asked = shared.lock.unlock();
  if (!remainder) return true;
  connection.out().stream.push_front(std::move(remainder->rest));
  warn(connection);
  if (!remainder->error) return true;
  write_failed(connection, remainder->error);
  return false;
}

/// From now on nothing is written, whoever owns the socket: the peer would take a stream with a
/// hole for the whole. While it changes owners there is nobody to tell; the next owner is told once
/// it has started.
template <Syscalls Sys>
void Reactor<Sys>::write_failed(Connection& connection, std::error_code error) {
  connection.more().write_error = error;
  fail(connection, Input::write_failed, error);
}

template <Syscalls Sys>
void Reactor<Sys>::drop_output(Connection& connection) {
  if (!connection.output) return;
  const std::size_t bytes = connection.output->bytes();
  connection.output.reset();
  touch_interest(connection);  // Nobody waits for room any more.
  shared_->slots.at(connection.id).output.subtract(connection.id, bytes);
}

/// Writes until nothing is queued or the kernel takes no more.
template <Syscalls Sys>
void Reactor<Sys>::flush(Connection& connection) {
  if (!detail::traits_of(connection.state).flushes || !take_remainder(connection)) return;
  sys_->yield_point(YieldPoint::remainder_taken, connection.id);
  if (connection.queue_empty()) return settle(connection);
  const SocketId id = connection.id;
  const bool alive =
      is_udp(connection.protocol) ? write_datagrams(connection) : write_stream(connection);
  if (!alive || connection.id != id) return;
  if (connection.queue_empty()) {
    const bool warned = connection.output->warn_at_bytes > 0;
    connection.output.reset();
    touch_interest(connection);
    if (detail::kDraining.contains(connection.state)) return settle(connection);
    if (warned) deliver(EventKind::warning, id, connection.owner, 0, {});
    return step(connection, Input::drained);
  }
  touch_interest(connection);
}

/// Returns false when a write failed: then the state has changed.
template <Syscalls Sys>
bool Reactor<Sys>::write_stream(Connection& connection) {
  std::array<iovec, detail::kGatherMax> parts;
  WriteQueue& queue = connection.output->stream;
  while (!queue.empty()) {
    const std::span<iovec> next = queue.gather(parts);
    std::size_t offered = 0;
    for (const iovec& part : next) offered += part.iov_len;
    const Result<std::size_t> sent = write_some(connection, next);
    if (!sent) {
      const std::error_code error = sent.error();
      if (error == std::errc::interrupted) continue;
      if (error == std::errc::resource_unavailable_try_again) return true;
      write_failed(connection, error);
      return false;
    }
    queue.consume(*sent);
    written(connection, *sent, *sent);
    if (*sent < offered) return true;
  }
  return true;
}

template <Syscalls Sys>
Result<std::size_t> Reactor<Sys>::write_some(Connection& connection, std::span<const iovec> parts) {
  return connection.protocol == Protocol::borrowed ? sys_->write_parts(connection.fd, parts)
                                                   : sys_->send(connection.fd, parts);
}

template <Syscalls Sys>
void Reactor<Sys>::written(Connection& connection, std::size_t bytes, std::size_t counted_bytes) {
  sys_->yield_point(YieldPoint::reactor_wrote, connection.id);
  counters_->bytes_written.add(bytes);
  connection.written_bytes += bytes;
  connection.written_ms = now_ms_;
  shared_->slots.at(connection.id).output.subtract(connection.id, counted_bytes);
}

/// A direct write that the poller made is over: as SendPath does after one that it made itself.
template <Syscalls Sys>
void Reactor<Sys>::sent(const SentByPoller& send) {
  SharedSlot& shared = shared_->slots.at(send.id);
  const std::size_t bytes = send.answer.value_or(0);
  const bool whole = bytes == send.payload.size();
  counters_->direct_bytes_here.add(bytes);
  if (bytes > 0) {
    shared.direct_bytes += bytes;
    shared.direct_ms = now_ms_;
  }
  if (whole) {
    counters_->direct_writes_here.add();
  } else {
    send.payload.remove_prefix(bytes);
    shared.park(send.id, std::move(send.payload), hard_error(send.answer));
    counters_->direct_remainders.fetch_add(1, std::memory_order_relaxed);
  }
  if (shared.lock.unlock() || !whole) [[unlikely]]
    give(ArmWritePacket{.id = send.id});
}

/// A datagram that the kernel refuses for good is dropped, and its owner told: it must not block
/// those behind it. Returns false when nobody was there to be told: then the close has written the
/// rest.
template <Syscalls Sys>
bool Reactor<Sys>::write_datagrams(Connection& connection) {
  const SocketId id = connection.id;
  const State state = connection.state;
  DatagramQueue& queue = connection.output->datagrams;
  while (!queue.empty()) {
    const Datagram& datagram = queue.front();
    const std::size_t bytes = datagram.payload.size();
    const std::size_t counted_bytes = kept_bytes(datagram);
    const Result<std::size_t> sent =
        sys_->send_to(connection.fd, datagram.payload.bytes(), datagram.to.endpoint());
    if (!sent && sent.error() == std::errc::interrupted) continue;
    if (!sent && sent.error() == std::errc::resource_unavailable_try_again) return true;
    queue.pop();
    if (sent) {
      counters_->datagrams_written.add();
      written(connection, bytes, counted_bytes);
      continue;
    }
    shared_->slots.at(id).output.subtract(id, counted_bytes);
    counters_->dropped_sends.add();
    fail(connection, Input::udp_failed, sent.error());
    if (connection.id != id || connection.state != state) return false;
  }
  return true;
}

/// The owner's close waited for the last byte; there is none.
template <Syscalls Sys>
void Reactor<Sys>::settle(Connection& connection) {
  if (!detail::kDraining.contains(connection.state) || has_output(connection)) return;
  const bool linger = detail::may_linger(connection.state) && lingers(connection);
  step(connection, linger ? Input::drained : Input::drained_final);
}

/// WARNING at 1, 2, 4, ... MiB of output that waits. Source: send_socket().
template <Syscalls Sys>
void Reactor<Sys>::warn(Connection& connection) {
  Output& output = connection.out();
  const std::uint64_t queued = output.bytes();
  if (queued < detail::kWarnBytes || queued < output.warn_at_bytes) return;
  output.warn_at_bytes =
      output.warn_at_bytes == 0 ? 2 * detail::kWarnBytes : 2 * output.warn_at_bytes;
  counters_->warnings.add();
  const auto kib = static_cast<std::int64_t>((queued + 1023) / 1024);
  deliver(EventKind::warning, connection.id, connection.owner, kib, {});
}

}  // namespace skysock
