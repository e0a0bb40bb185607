#pragma once

// Definitions of Reactor<Sys>: control packets and connecting.

#include "core/net/reactor_impl.hpp"

namespace skysock {

template <Syscalls Sys>
void Reactor<Sys>::take_packet(const std::expected<ControlPacket, ControlError>& packet) {
  if (!packet) return counters_->decode_errors.add();
  run(*packet);
  // Services that run to completion answer each command before the next.
  if (sink_.run != nullptr) after_event();
}

template <Syscalls Sys>
void Reactor<Sys>::run(const ControlPacket& packet) {
  sys_->yield_point(YieldPoint::packet_taken);
  counters_->packets[packet.index()].add();
  std::visit([this](const auto& one) { this->command(one); }, packet);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const StartPacket& packet) {
  Connection& connection = find(packet.id);
  // Until then, accept_timeout limits how long it may be silent.
  if (connection.state == State::paccept) start_idle_timeout(connection);
  step(connection, Input::start, {.requester = packet.requester});
}

template <Syscalls Sys>
void Reactor<Sys>::command(const ExitPacket&) {
  exit_ = true;
}

// ---- Creation

/// The descriptor that was parked for `id`; a token of anything else names nothing here.
template <Syscalls Sys>
std::optional<int> Reactor<Sys>::take_fd(Token token, SocketId id, ParkedFd::Kind kind) {
  const std::optional<ParkedFd> parked = shared_->fds.take_if(
      token, [&](const ParkedFd& one) { return one.id == id && one.kind == kind; });
  if (!parked) {
    counters_->stale_tokens.add();
    return std::nullopt;
  }
  const State state = find(id).state;
  if (state == State::reserved || state == State::reserved_draining) return parked->fd;
  // Cancelled before it came.
  if (kind != ParkedFd::Kind::borrowed) sys_->close(parked->fd);
  return std::nullopt;
}

template <Syscalls Sys>
void Reactor<Sys>::adopt(Connection& connection, int fd, ServiceHandle requester,
                         Protocol protocol) {
  connection.owner = requester;
  connection.fd = fd;
  connection.protocol = protocol;
  SharedSlot& shared = shared_->slots.at(connection.id);
  const Locked locked(*this, shared);
  shared.fd = fd;
}

template <Syscalls Sys>
void Reactor<Sys>::command(const ListenPacket& packet) {
  const std::optional<int> fd = take_fd(packet.fd, packet.id, ParkedFd::Kind::listener);
  if (!fd) return;
  Connection& connection = find(packet.id);
  adopt(connection, *fd, packet.requester, Protocol::tcp);
  const Result<Endpoint> bound = sys_->local_endpoint(*fd);
  if (!bound) {
    return fail(connection, Input::create_failed, bound.error());
  }
  const std::string host = bound->host();
  step(connection, Input::listen_ready, {.ud = bound->port(), .text = host});
}

template <Syscalls Sys>
void Reactor<Sys>::command(const BindPacket& packet) {
  const std::optional<int> fd = take_fd(packet.fd, packet.id, ParkedFd::Kind::borrowed);
  if (!fd) return;
  Connection& connection = find(packet.id);
  const Result<bool> was_nonblocking = sys_->set_nonblocking(*fd, true);
  if (!was_nonblocking) {
    return fail(connection, Input::create_failed, was_nonblocking.error());
  }
  connection.was_nonblocking = *was_nonblocking;
  adopt(connection, *fd, packet.requester, Protocol::borrowed);
  step(connection, Input::bound, {.text = "binding"});
}

template <Syscalls Sys>
void Reactor<Sys>::adopt_datagrams(Connection& connection, int fd, ServiceHandle requester) {
  adopt(connection, fd, requester, connection.protocol);
  step(connection, Input::udp_ready);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const UdpPacket& packet) {
  const std::optional<int> fd = take_fd(packet.fd, packet.id, ParkedFd::Kind::datagrams);
  if (fd) adopt_datagrams(find(packet.id), *fd, packet.requester);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const DialPacket& packet) {
  const std::optional<int> fd = take_fd(packet.fd, packet.id, ParkedFd::Kind::datagrams);
  if (!fd) return;
  Connection& connection = find(packet.id);
  connection.more().address = packet.address;
  adopt_datagrams(connection, *fd, packet.requester);
}

// ---- Connecting

template <Syscalls Sys>
void Reactor<Sys>::command(const OpenPacket& packet) {
  Connection& connection = find(packet.id);
  const State state = connection.state;
  if (state != State::reserved && state != State::reserved_draining) return;
  // An id that was reserved for something else keeps what its own command will say.
  if (connection.protocol != Protocol::tcp) return;
  connection.owner = packet.requester;
  if (tuning_.connect_timeout_ms > 0) {
    timeouts_.set(slot_of(connection), now_ms_ + tuning_.connect_timeout_ms);
  }
  if (const auto numeric = Endpoint::from_numeric(packet.host, packet.port)) {
    connection.more().endpoints = {*numeric};
    return connect_next(connection);
  }
  const auto tag = static_cast<std::uint64_t>(packet.id);
  step(connection, Input::resolve_started);
  resolver_.ask({.tag = tag, .host = packet.host, .port = packet.port});
}

template <Syscalls Sys>
void Reactor<Sys>::take_answers() {
  while (std::optional<ResolverAnswer> answer = resolver_.take()) {
    Connection& connection = find(static_cast<SocketId>(answer->tag));
    const State state = connection.state;
    // Closed meanwhile.
    const bool waits = detail::kResolving.contains(state) || state == State::resolving_draining;
    if (!waits) continue;
    if (!answer->endpoints) {
      fail(connection, Input::create_failed, answer->endpoints.error());
    } else {
      connection.more().endpoints = std::move(*answer->endpoints);
      connect_next(connection);
    }
    after_event();
  }
}

/// Connects to the next address that takes a SYN; without one the open has failed.
template <Syscalls Sys>
void Reactor<Sys>::connect_next(Connection& connection) {
  Extra& extra = connection.more();
  release_fd(connection);
  while (extra.next_endpoint < extra.endpoints.size()) {
    const Endpoint& endpoint = extra.endpoints[extra.next_endpoint++];
    const Result<void> tried = try_connect(connection, endpoint);
    if (tried) {
      const std::string host = endpoint.host();
      extra.endpoints = {};
      start_idle_timeout(connection);
      step(connection, Input::connect_ok, {.text = host});
      return flush(connection);
    }
    if (tried.error() == std::errc::operation_in_progress) {
      touch_interest(connection);
      return step(connection, Input::connect_started);
    }
    extra.last_error = tried.error();
    release_fd(connection);
  }
  fail(connection, Input::create_failed, extra.last_error);
}

template <Syscalls Sys>
Result<void> Reactor<Sys>::try_connect(Connection& connection, const Endpoint& endpoint) {
  const Result<int> fd = sys_->stream_socket(endpoint.family());
  if (!fd) return Failure(fd.error());
  adopt(connection, *fd, connection.owner, Protocol::tcp);
  // No option failing is a reason not to talk.
  const auto set = [&](SocketOption option, std::int64_t value) {
    [[maybe_unused]] const auto ignored =
        set_kernel_option(connection, option, static_cast<int>(value));
  };
  connection.nodelay = -1;
  if (tuning_.keepalive != 0) set(SocketOption::keepalive, 1);
  if (tuning_.nodelay != 0) set(SocketOption::nodelay, 1);
  if (tuning_.send_buffer_bytes > 0) {
    set(SocketOption::send_buffer_bytes, tuning_.send_buffer_bytes);
  }
  if (tuning_.receive_buffer_bytes > 0) {
    set(SocketOption::receive_buffer_bytes, tuning_.receive_buffer_bytes);
  }
  for (const auto& [option, value] : connection.more().options) set(option, value);
  return sys_->connect(*fd, endpoint);
}

// ---- Output

template <Syscalls Sys>
void Reactor<Sys>::send(SocketId id, Token payload, Priority priority, const UdpAddress* address) {
  std::optional<Parcel> parcel =
      shared_->payloads.take_if(payload, [id](const Parcel& one) { return one.counted_for == id; });
  if (!parcel) return counters_->stale_tokens.add();
  Connection& connection = find(id);
  Details details{.data = std::move(parcel->data),
                  .priority = priority,
                  .address = address,
                  .counted_bytes = parcel->counted_bytes};
  // A datagram has no place in a stream.
  if (address != nullptr && !is_udp(connection.protocol)) {
    return act(connection, Act::drop, details);
  }
  step(connection, Input::send, std::move(details));
}

template <Syscalls Sys>
void Reactor<Sys>::command(const SendPacket& packet) {
  send(packet.id, packet.payload, packet.priority, nullptr);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const SendToPacket& packet) {
  send(packet.id, packet.payload, Priority::high, &packet.address);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const ArmWritePacket& packet) {
  step(find(packet.id), Input::arm_write);
}

/// `bytes` of output were freed unsent: a close may have waited for nothing else.
template <Syscalls Sys>
void Reactor<Sys>::forget_output(SocketId id, std::size_t bytes) {
  Connection& connection = find(id);
  if (connection.state == State::free) return;
  shared_->slots.at(id).output.subtract(id, bytes);
  settle(connection);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const SetAddressPacket& packet) {
  Connection& connection = find(packet.id);
  if (connection.state != State::free) {
    SharedSlot& shared = shared_->slots.at(packet.id);
    const Locked locked(*this, shared);
    if (is_udp(connection.protocol)) {
      shared.address = std::make_unique<Endpoint>(packet.address.endpoint());
      shared.addressing.set_addressed();
    }
    shared.addressing.change_done();
  }
  step(connection, Input::set_address, {.address = &packet.address});
}

// ---- Options

template <Syscalls Sys>
void Reactor<Sys>::command(const OptionPacket& packet) {
  step(find(packet.id), Input::set_option, {.option = &packet});
}

template <Syscalls Sys>
Result<void> Reactor<Sys>::set_kernel_option(Connection& connection, SocketOption option,
                                             int value) {
  const bool is_nodelay = option == SocketOption::nodelay;
  if (is_nodelay && connection.nodelay == value) return {};
  Result<void> set = sys_->set_option(connection.fd, option, value);
  if (set && is_nodelay) connection.nodelay = static_cast<std::int8_t>(value);
  return set;
}

/// While connecting, the next address may be tried with another descriptor.
template <Syscalls Sys>
Result<void> Reactor<Sys>::change_kernel_option(Connection& connection, SocketOption option,
                                                int value) {
  if (detail::is_creating(connection.state)) {
    auto& options = connection.more().options;
    std::erase_if(options, [option](const auto& one) { return one.first == option; });
    options.emplace_back(option, value);
  }
  if (connection.fd < 0) return {};
  return set_kernel_option(connection, option, value);
}

template <Syscalls Sys>
Result<void> Reactor<Sys>::set_option(Connection& connection, const OptionPacket& packet) {
  SharedSlot& shared = shared_->slots.at(connection.id);
  const auto kernel = [&](SocketOption option) {
    return change_kernel_option(connection, option, static_cast<int>(packet.value));
  };
  switch (packet.option) {
    case ConnectionOption::nodelay:
      return kernel(SocketOption::nodelay);
    case ConnectionOption::keepalive:
      return kernel(SocketOption::keepalive);
    case ConnectionOption::keepalive_idle_s:
      return kernel(SocketOption::keepalive_idle_s);
    case ConnectionOption::keepalive_interval_s:
      return kernel(SocketOption::keepalive_interval_s);
    case ConnectionOption::keepalive_count:
      return kernel(SocketOption::keepalive_count);
    case ConnectionOption::send_buffer_bytes:
      return kernel(SocketOption::send_buffer_bytes);
    case ConnectionOption::receive_buffer_bytes:
      return kernel(SocketOption::receive_buffer_bytes);
    case ConnectionOption::connect_timeout_ms:
      if (!detail::is_creating(connection.state)) return {};
      timeouts_.remove(slot_of(connection));
      if (packet.value > 0) timeouts_.set(slot_of(connection), now_ms_ + packet.value);
      return {};
    case ConnectionOption::idle_timeout_ms:
      // A listener is silent by nature.
      if ((detail::kListening | detail::in(State::plisten)).contains(connection.state)) return {};
      connection.more().idle_timeout_ms = packet.value;
      if (!detail::is_creating(connection.state)) start_idle_timeout(connection);
      return {};
    case ConnectionOption::output_limit_bytes:
      shared.limit.store(static_cast<std::uint32_t>(packet.value), std::memory_order_relaxed);
      return {};
    case ConnectionOption::output_limit_policy: {
      shared.republish([&](Published& seen) {
        seen.policy = packet.value == 0 ? LimitPolicy::refuse : LimitPolicy::abort;
        return true;
      });
      return {};
    }
  }
  return {};
}

// ---- Hold and hand-over

/// Whether an old owner still has something to give back.
template <Syscalls Sys>
bool Reactor<Sys>::gives(const Connection& connection) const {
  return connection.state == State::handing_over || connection.state == State::handing_over_started;
}

template <Syscalls Sys>
void Reactor<Sys>::command(const HoldPacket& packet) {
  Connection& connection = find(packet.id);
  switch (packet.mode) {
    case HoldMode::hold:
      return step(connection, Input::hold);
    case HoldMode::hand_over:
      // Only who has it can give it up.
      if (connection.owner != packet.requester) return;
      if (connection.state != State::free && !detail::kHandover.contains(connection.state)) {
        connection.more().given_by = packet.requester;
      }
      return step(connection, Input::hand_over);
    case HoldMode::give_back: {
      std::optional<Parcel> parcel = shared_->payloads.take_if(
          packet.payload, [](const Parcel& one) { return one.counted_for == 0; });
      if (!parcel) return counters_->stale_tokens.add();
      return step(connection, Input::give_back,
                  {.requester = packet.requester, .data = std::move(parcel->data)});
    }
    case HoldMode::done:
      if (gives(connection) && connection.extra->given_by != packet.requester) return;
      return step(connection, Input::hand_over_done);
  }
}

// ---- Closing

/// No sender starts to write any more, and none is in the middle of it.
template <Syscalls Sys>
void Reactor<Sys>::quiesce(Connection& connection) {
  SharedSlot& shared = shared_->slots.at(connection.id);
  const Locked locked(*this, shared);
  shared.republish([](Published& seen) {
    if (seen.send != SendMode::direct) return false;
    seen.send = SendMode::queued;
    return true;
  });
}

template <Syscalls Sys>
void Reactor<Sys>::close_softly(Connection& connection) {
  const SocketId id = connection.id;
  if (detail::kUdp.contains(connection.state) && !connection.queue_empty()) {
    // First closed, then written: a datagram that cannot be sent tells nobody any more, so an owner
    // that is gone is not found out again for each of them.
    step(connection, Input::close_pending);
    return flush(connection);
  }
  if (detail::traits_of(connection.state).flushes) {
    quiesce(connection);
    flush(connection);
    if (connection.id != id) return;  // The last write was the end of it.
  }
  const State state = connection.state;
  if (detail::holds_output(detail::traits_of(state)) && has_output(connection)) {
    return step(connection, Input::close_pending);
  }
  const bool linger =
      detail::rule_of(state, Input::close_flushed) != nullptr && lingers(connection);
  step(connection, linger ? Input::close_flushed : Input::close_final);
}

template <Syscalls Sys>
void Reactor<Sys>::command(const ClosePacket& packet) {
  Connection& connection = find(packet.id);
  const bool answer =
      packet.answer == CloseAnswer::wanted &&
      (detail::kGone.contains(connection.state) || connection.owner != packet.requester);
  if (packet.mode == CloseMode::soft) {
    close_softly(connection);
  } else {
    const SocketId id = connection.id;
    if (detail::traits_of(connection.state).flushes) {
      quiesce(connection);
      flush(connection);
    }
    const bool reset = tuning_.abort == static_cast<std::int64_t>(AbortKind::rst) &&
                       connection.protocol == Protocol::tcp && connection.fd >= 0 &&
                       !detail::kGone.contains(connection.state);
    if (reset) [[maybe_unused]]
      const auto set = sys_->set_option(connection.fd, SocketOption::reset_on_close, 1);
    if (connection.id == id) step(connection, Input::close_abortive);
  }
  if (answer) deliver(EventKind::close, packet.id, packet.requester, 1, {});
}

}  // namespace skysock
