#pragma once

// Definitions of SocketServer<Sys>; included by the file that instantiates it for a kernel, and by
// nothing else.

#include <future>
#include <thread>

#include "core/net/reactor_commands_impl.hpp"
#include "core/net/reactor_io_impl.hpp"
#include "core/net/reactor_loop_impl.hpp"
#include "core/net/send_path.hpp"
#include "core/net/server_parts.hpp"
#include "core/net/socket_server.hpp"

namespace skysock {

template <Syscalls Sys>
struct SocketServer<Sys>::Impl {
  Impl(Sys& sys, const Tuning& tuning, ControlChannel<Sys> channel)
      : parts(sys, tuning, std::move(channel)) {}

  ServerParts<Sys> parts;
  SendPath<Sys> sends{parts};

  /// Numeric addresses need no resolver; a name blocks the caller.
  static Result<std::vector<Endpoint>> endpoints(const std::string& host, std::uint16_t port) {
    if (!names_a_host(host)) return failure(std::errc::invalid_argument);
    if (const auto numeric = Endpoint::from_numeric(host, port)) return std::vector{*numeric};
    return resolve(host, port);
  }

  static bool names_a_host(const std::string& host) {
    return !host.empty() && host.size() <= kHostBytesMax && !host.contains('\0');
  }

  std::optional<SocketId> reserve(ServiceHandle owner, Protocol protocol) {
    const std::optional<SocketId> id = parts.shared.slots.reserve(
        owner, protocol, static_cast<std::uint32_t>(parts.tuning.output_limit_bytes),
        static_cast<LimitPolicy>(parts.tuning.output_limit_policy));
    if (id) parts.sys.yield_point(YieldPoint::id_reserved, *id);
    return id;
  }

  /// Takes a descriptor along in a packet that `make(id, token)` builds; closes it when that fails,
  /// unless it is borrowed.
  template <typename Make>
  Result<SocketId> adopt(ServiceHandle owner, int fd, ParkedFd::Kind kind, Protocol protocol,
                         Make make) {
    const auto drop = [&] {
      if (kind != ParkedFd::Kind::borrowed) parts.sys.close(fd);
    };
    const std::optional<SocketId> id = reserve(owner, protocol);
    if (!id) {
      drop();
      return failure(std::errc::too_many_files_open_in_system);
    }
    const Token token = parts.shared.fds.park({.fd = fd, .id = *id, .kind = kind});
    parts.sys.yield_point(YieldPoint::fd_parked, *id);
    const Result<void> given = parts.give(make(*id, token));
    if (given) return *id;
    if (parts.shared.fds.take(token)) drop();
    sends.set_default_address(*id, nullptr);
    parts.shared.slots.release(*id);
    return Failure(given.error());
  }

  Result<int> listen_on(const Endpoint& endpoint, int backlog) {
    const Result<int> fd = parts.sys.stream_socket(endpoint.family());
    if (!fd) return fd;
    // Accepted sockets inherit all of these from the listener: no call per connection.
    Result<void> done = {};
    const auto set = [&](SocketOption option, std::int64_t value) {
      if (done && value > 0) done = parts.sys.set_option(*fd, option, static_cast<int>(value));
    };
    set(SocketOption::keepalive, parts.tuning.keepalive);
    set(SocketOption::nodelay, parts.tuning.nodelay);
    set(SocketOption::send_buffer_bytes, parts.tuning.send_buffer_bytes);
    set(SocketOption::receive_buffer_bytes, parts.tuning.receive_buffer_bytes);
    if (done) done = parts.sys.bind(*fd, endpoint);
    if (done) done = parts.sys.listen(*fd, backlog);
    if (done) return *fd;
    parts.sys.close(*fd);
    return Failure(done.error());
  }

  Result<int> datagrams_on(const Endpoint& endpoint, bool bound) {
    const Result<int> fd = parts.sys.datagram_socket(endpoint.family());
    if (!fd) return fd;
    // Without it nobody would ever hear that a peer is not there; silence is no reason to give up.
    [[maybe_unused]] const auto set = parts.sys.set_option(*fd, SocketOption::report_icmp, 1);
    if (!bound) return fd;
    const Result<void> done = parts.sys.bind(*fd, endpoint);
    if (done) return *fd;
    parts.sys.close(*fd);
    return Failure(done.error());
  }

  /// The first endpoint for which `make(endpoint)` gives a descriptor; the last error otherwise.
  template <typename Make>
  static Result<std::pair<int, Endpoint>> first_of(const std::vector<Endpoint>& endpoints,
                                                   Make make) {
    std::error_code error = std::make_error_code(std::errc::address_not_available);
    for (const Endpoint& endpoint : endpoints) {
      const Result<int> fd = make(endpoint);
      if (fd) return std::pair(*fd, endpoint);
      error = fd.error();
    }
    return Failure(error);
  }
};

/// What is told from outside while poll() runs goes through the channel.
template <Syscalls Sys>
bool SocketServer<Sys>::poll(int timeout_ms) {
  impl_->parts.polling.store(impl_->parts.sys.this_thread(), std::memory_order_relaxed);
  const bool goes_on = impl_->parts.reactor->poll(timeout_ms);
  impl_->parts.polling.store(nullptr, std::memory_order_relaxed);
  if (!goes_on) impl_->parts.exited.store(true);
  return goes_on;
}

template <Syscalls Sys>
SocketServer<Sys>::SocketServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

template <Syscalls Sys>
SocketServer<Sys>::~SocketServer() = default;

template <Syscalls Sys>
Result<std::unique_ptr<SocketServer<Sys>>> SocketServer<Sys>::create(Sys& sys, const Tuning& tuning,
                                                                     EventSink sink) {
  Result<ControlChannel<Sys>> channel = ControlChannel<Sys>::create(sys, tuning);
  if (!channel) return Failure(channel.error());
  auto impl = std::make_unique<Impl>(sys, tuning, std::move(*channel));
  ServerParts<Sys>& parts = impl->parts;
  auto reactor =
      Reactor<Sys>::create(sys, parts.shared, parts.channel, parts.counters, tuning, sink);
  if (!reactor) return Failure(reactor.error());
  parts.reactor = std::move(*reactor);
  parts.batches_sends = parts.reactor->poller_in_use().kind == PollerKind::io_uring;
  return std::unique_ptr<SocketServer>(new SocketServer(std::move(impl)));
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::listen(ServiceHandle owner, const std::string& host,
                                           std::uint16_t port, int backlog) {
  const auto endpoints = Impl::endpoints(host, port);
  if (!endpoints) return Failure(endpoints.error());
  const int length = backlog > 0 ? backlog : static_cast<int>(impl_->parts.tuning.backlog);
  const auto made = Impl::first_of(
      *endpoints, [&](const Endpoint& endpoint) { return impl_->listen_on(endpoint, length); });
  if (!made) return Failure(made.error());
  return impl_->adopt(owner, made->first, ParkedFd::Kind::listener, Protocol::tcp,
                      [&](SocketId id, Token token) {
                        return ListenPacket{.id = id, .requester = owner, .fd = token};
                      });
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::open(ServiceHandle owner, const std::string& host,
                                         std::uint16_t port) {
  if (port == 0 || !Impl::names_a_host(host)) return failure(std::errc::invalid_argument);
  const std::optional<SocketId> id = impl_->reserve(owner, Protocol::tcp);
  if (!id) return failure(std::errc::too_many_files_open_in_system);
  const Result<void> given =
      impl_->parts.give(OpenPacket{.id = *id, .requester = owner, .port = port, .host = host});
  if (given) return *id;
  impl_->parts.shared.slots.release(*id);
  return Failure(given.error());
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::bind(ServiceHandle owner, int fd) {
  if (fd < 0) return failure(std::errc::bad_file_descriptor);
  return impl_->adopt(owner, fd, ParkedFd::Kind::borrowed, Protocol::borrowed,
                      [&](SocketId id, Token token) {
                        return BindPacket{.id = id, .requester = owner, .fd = token};
                      });
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::udp(ServiceHandle owner, const std::string& host,
                                        std::uint16_t port) {
  const bool bound = !host.empty() || port != 0;
  const auto endpoints = Impl::endpoints(host.empty() ? "0.0.0.0" : host, port);
  if (!endpoints) return Failure(endpoints.error());
  const auto made = Impl::first_of(
      *endpoints, [&](const Endpoint& endpoint) { return impl_->datagrams_on(endpoint, bound); });
  if (!made) return Failure(made.error());
  return impl_->adopt(owner, made->first, ParkedFd::Kind::datagrams, protocol_of(made->second),
                      [&](SocketId id, Token token) {
                        return UdpPacket{.id = id, .requester = owner, .fd = token};
                      });
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::udp_dial(ServiceHandle owner, const std::string& host,
                                             std::uint16_t port) {
  const auto endpoints = Impl::endpoints(host, port);
  if (!endpoints) return Failure(endpoints.error());
  const auto made = Impl::first_of(
      *endpoints, [&](const Endpoint& endpoint) { return impl_->datagrams_on(endpoint, false); });
  if (!made) return Failure(made.error());
  const Endpoint to = made->second;
  return impl_->adopt(
      owner, made->first, ParkedFd::Kind::datagrams, protocol_of(to),
      [&](SocketId id, Token token) {
        impl_->sends.set_default_address(id, std::make_unique<Endpoint>(to));
        return DialPacket{
            .id = id, .requester = owner, .fd = token, .address = UdpAddress::from_endpoint(to)};
      });
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::udp_connect(SocketId id, const std::string& host,
                                            std::uint16_t port) {
  SharedSlot* slot = impl_->parts.shared.slots.find(id);
  if (slot == nullptr) return failure(std::errc::bad_file_descriptor);
  const Protocol protocol = slot->seen().protocol;
  if (!is_udp(protocol)) return failure(std::errc::operation_not_supported);
  const auto endpoints = Impl::endpoints(host, port);
  if (!endpoints) return Failure(endpoints.error());
  const auto fits = std::ranges::find_if(
      *endpoints, [&](const Endpoint& endpoint) { return protocol_of(endpoint) == protocol; });
  if (fits == endpoints->end()) return failure(std::errc::address_family_not_supported);
  typename SendPath<Sys>::AddressChange change(impl_->sends, *slot, id);
  impl_->parts.sys.yield_point(YieldPoint::address_changing, id);
  Result<void> given =
      impl_->parts.give(SetAddressPacket{.id = id, .address = UdpAddress::from_endpoint(*fits)});
  if (given) change.travels();
  return given;
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::start(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  Result<void> given = impl_->parts.give(StartPacket{.id = id, .requester = requester});
  SharedSlot* slot = impl_->parts.shared.slots.find(id);
  if (given && slot != nullptr) slot->start_posted(id);
  return given;
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::hold(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->parts.give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hold});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::hand_over(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->parts.give(
      HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hand_over});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::give_back(ServiceHandle requester, SocketId id, Block unused) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  if (unused.empty()) return {};
  const Token token =
      impl_->parts.shared.payloads.park({.data = std::move(unused), .counted_for = 0});
  impl_->parts.sys.yield_point(YieldPoint::payload_parked, id);
  Result<void> given = impl_->parts.give(
      HoldPacket{.id = id, .requester = requester, .mode = HoldMode::give_back, .payload = token});
  if (!given) impl_->parts.shared.payloads.take(token);
  return given;
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::hand_over_done(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->parts.give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::done});
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::send(SocketId id, Block payload, Priority priority) {
  typename SendPath<Sys>::Owned owned{payload};
  return impl_->sends.send(id, owned, priority);
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::send(SocketId id, std::span<const std::byte> payload,
                                            Priority priority) {
  typename SendPath<Sys>::Foreign foreign{payload};
  return impl_->sends.send(id, foreign, priority);
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::send_to(SocketId id, const UdpAddress& to, Block payload) {
  return impl_->sends.send_to(id, to, std::move(payload));
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::close(ServiceHandle requester, SocketId id, CloseMode mode,
                                      CloseAnswer answer) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->parts.give(
      ClosePacket{.id = id, .requester = requester, .mode = mode, .answer = answer});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::set_option(SocketId id, ConnectionOption option,
                                           std::int64_t value) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  if (!takes(option, value)) return failure(std::errc::invalid_argument);
  return impl_->parts.give(OptionPacket{.id = id, .option = option, .value = value});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::exit() {
  return impl_->parts.give(ExitPacket{});
}

template <Syscalls Sys>
void SocketServer<Sys>::owner_gone(ServiceHandle owner) {
  impl_->parts.visit([reactor = impl_->parts.reactor.get(), owner] { reactor->owner_gone(owner); });
}

template <Syscalls Sys>
void SocketServer<Sys>::wake() {
  impl_->parts.wake();
}

template <Syscalls Sys>
int SocketServer<Sys>::wake_fd() const {
  return impl_->parts.channel.wake_fd() >= 0 ? -1 : impl_->parts.channel.ready_fd();
}

template <Syscalls Sys>
std::vector<SocketInfo> SocketServer<Sys>::netstat(std::chrono::milliseconds limit) {
  if (impl_->parts.on_reactor_thread()) return impl_->parts.reactor->netstat();
  auto answer = std::make_shared<std::promise<std::vector<SocketInfo>>>();
  std::future<std::vector<SocketInfo>> answered = answer->get_future();
  impl_->parts.visit(
      [reactor = impl_->parts.reactor.get(), answer] { answer->set_value(reactor->netstat()); });
  constexpr std::chrono::milliseconds kStep{20};
  for (auto waited = kStep; answered.wait_for(kStep) != std::future_status::ready;
       waited += kStep) {
    if (impl_->parts.exited.load() || waited >= limit) return {};
  }
  return answered.get();
}

template <Syscalls Sys>
void SocketServer<Sys>::observe(const StepObserver& observer) {
  impl_->parts.reactor->observe(observer);
}

template <Syscalls Sys>
State SocketServer<Sys>::state(SocketId id) const {
  return impl_->parts.shared.slots.state(id);
}

template <Syscalls Sys>
Protocol SocketServer<Sys>::protocol(SocketId id) const {
  const SharedSlot* slot = impl_->parts.shared.slots.find(id);
  return slot == nullptr ? Protocol::tcp : slot->seen().protocol;
}

template <Syscalls Sys>
std::uint64_t SocketServer<Sys>::queued_bytes(SocketId id) const {
  const SharedSlot* slot = impl_->parts.shared.slots.find(id);
  return slot == nullptr ? 0 : slot->output.bytes(id).value_or(0);
}

template <Syscalls Sys>
SocketServerCounts SocketServer<Sys>::counts() const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  const ReactorCounters& from = impl_->parts.counters;
  const ChannelCounters channel = impl_->parts.channel.counters();
  SocketServerCounts counts{
      .accepts = from.accepts.read(),
      .control_signals = channel.signals,
      .control_full_waits = channel.full_waits,
      .control_reads = channel.reads,
      .decode_errors = from.decode_errors.read(),
      .stale_tokens = from.stale_tokens.read(),
      .dropped_sends = from.dropped_sends.read(),
      .refused_sends = read(from.refused_sends),
      .limited_sends = read(from.limited_sends),
      .queued_sends = read(from.queued_sends),
      .direct_writes = read(from.direct_writes) + from.direct_writes_here.read(),
      .direct_remainders = read(from.direct_remainders),
      .stale_events = from.stale_events.read(),
      .refused_events = from.refused_events.read(),
      .refused_accepts = from.refused_accepts.read(),
      .bytes_read = from.bytes_read.read(),
      .bytes_written =
          from.bytes_written.read() + read(from.direct_bytes) + from.direct_bytes_here.read(),
      .datagrams_read = from.datagrams_read.read(),
      .datagrams_written = from.datagrams_written.read() + read(from.direct_datagrams),
      .warnings = from.warnings.read(),
      .waits = from.waits.read(),
      .wakeups = from.wakeups.read(),
      .events = from.events.read(),
      .busy_polls = from.busy_polls.read(),
      .busy_polls_in_vain = from.busy_polls_in_vain.read(),
      .slots_used = impl_->parts.shared.slots.used(),
      .payloads_parked = impl_->parts.shared.payloads.parked()};
  for (std::size_t kind = 0; kind < kPacketKindCount; ++kind) {
    counts.packets_by_kind[kind] = from.packets[kind].read();
    counts.packets += counts.packets_by_kind[kind];
  }
  counts.packets += counts.decode_errors;
  for (std::size_t input = 0; input < kInputCount; ++input) {
    counts.closes_by_input[input] = from.closes[input].read();
  }
  return counts;
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::inject(std::span<const std::byte> bytes) {
  return impl_->parts.channel.send_bytes(bytes);
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::post_send(SocketId id, Block payload, Priority priority) {
  return impl_->sends.post(id, std::move(payload), priority);
}

template <Syscalls Sys>
PollerInUse SocketServer<Sys>::poller() const {
  return impl_->parts.reactor->poller_in_use();
}

template <Syscalls Sys>
std::size_t SocketServer<Sys>::slot_bytes() {
  return sizeof(SharedSlot) + Reactor<Sys>::slot_bytes() + DeadlineLists::slot_bytes() +
         SlotTable::slot_bytes();
}

}  // namespace skysock
