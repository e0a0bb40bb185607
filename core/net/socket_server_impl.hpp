#pragma once

// Definitions of SocketServer<Sys>; included by the file that instantiates it for a kernel, and by
// nothing else.

#include "core/net/reactor_impl.hpp"
#include "core/net/socket_server.hpp"

namespace skysock {

template <Syscalls Sys>
struct SocketServer<Sys>::Impl {
  Impl(Sys& sys_in, const Tuning& tuning_in, PipeChannel<Sys> channel_in)
      : sys(sys_in),
        tuning(tuning_in),
        shared(static_cast<std::size_t>(tuning_in.slots)),
        channel(std::move(channel_in)) {}

  ~Impl() {
    for (const int fd : shared.fds.take_all()) sys.close(fd);
  }

  Sys& sys;
  Tuning tuning;
  Shared shared;
  PipeChannel<Sys> channel;
  ReactorCounters counters;
  std::optional<Reactor<Sys>> reactor;

  /// Numeric addresses need no resolver; a name blocks the caller.
  static Result<std::vector<Endpoint>> endpoints(const std::string& host, std::uint16_t port) {
    if (host.empty() || host.size() > kHostBytesMax || host.contains('\0')) {
      return failure(std::errc::invalid_argument);
    }
    if (const auto numeric = Endpoint::from_numeric(host, port)) return std::vector{*numeric};
    return resolve(host, port);
  }

  Result<int> listen_on(const Endpoint& endpoint, int backlog) {
    const Result<int> fd = sys.stream_socket(endpoint.family());
    if (!fd) return fd;
    // Accepted sockets inherit both options from the listener: no call per connection.
    Result<void> done = sys.set_keepalive(*fd, true);
    if (done && tuning.nodelay != 0) done = sys.set_nodelay(*fd, true);
    if (done) done = sys.bind(*fd, endpoint);
    if (done) done = sys.listen(*fd, backlog);
    if (done) return *fd;
    sys.close(*fd);
    return Failure(done.error());
  }

  Result<int> listen_on_first(const std::vector<Endpoint>& endpoints, int backlog) {
    Result<int> fd = failure(std::errc::address_not_available);
    for (const Endpoint& endpoint : endpoints) {
      fd = listen_on(endpoint, backlog);
      if (fd) break;
    }
    return fd;
  }

  Result<void> send(const ControlPacket& packet) { return channel.send(encode(packet)); }
};

template <Syscalls Sys>
SocketServer<Sys>::SocketServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

template <Syscalls Sys>
SocketServer<Sys>::~SocketServer() = default;

template <Syscalls Sys>
Result<std::unique_ptr<SocketServer<Sys>>> SocketServer<Sys>::create(Sys& sys, const Tuning& tuning,
                                                                     EventSink sink) {
  Result<PipeChannel<Sys>> channel = PipeChannel<Sys>::create(sys);
  if (!channel) return Failure(channel.error());
  auto impl = std::make_unique<Impl>(sys, tuning, std::move(*channel));
  auto reactor =
      Reactor<Sys>::create(sys, impl->shared, impl->channel, impl->counters, tuning, sink);
  if (!reactor) return Failure(reactor.error());
  impl->reactor.emplace(std::move(*reactor));
  return std::unique_ptr<SocketServer>(new SocketServer(std::move(impl)));
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::listen(ServiceHandle owner, const std::string& host,
                                           std::uint16_t port, int backlog) {
  const auto endpoints = Impl::endpoints(host, port);
  if (!endpoints) return Failure(endpoints.error());
  const int length = backlog > 0 ? backlog : static_cast<int>(impl_->tuning.backlog);
  const Result<int> fd = impl_->listen_on_first(*endpoints, length);
  if (!fd) return Failure(fd.error());
  const std::optional<SocketId> id = impl_->shared.slots.reserve(owner);
  if (!id) {
    impl_->sys.close(*fd);
    return failure(std::errc::too_many_files_open_in_system);
  }
  const Token token = impl_->shared.fds.park(*fd);
  const Result<void> sent = impl_->send(ListenPacket{.id = *id, .requester = owner, .fd = token});
  if (sent) return *id;
  if (const auto back = impl_->shared.fds.take(token)) impl_->sys.close(*back);
  impl_->shared.slots.release(*id);
  return Failure(sent.error());
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::open(ServiceHandle owner, const std::string& host,
                                         std::uint16_t port) {
  if (port == 0) return failure(std::errc::invalid_argument);
  const auto endpoints = Impl::endpoints(host, port);
  if (!endpoints) return Failure(endpoints.error());
  const std::optional<SocketId> id = impl_->shared.slots.reserve(owner);
  if (!id) return failure(std::errc::too_many_files_open_in_system);
  const Result<void> sent = impl_->send(
      OpenPacket{.id = *id, .requester = owner, .port = port, .host = endpoints->front().host()});
  if (sent) return *id;
  impl_->shared.slots.release(*id);
  return Failure(sent.error());
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::start(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->send(StartPacket{.id = id, .requester = requester});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::send(SocketId id, Block payload, Priority priority) {
  if (!traits(impl_->shared.slots.state(id)).sendable) {
    return failure(std::errc::bad_file_descriptor);
  }
  if (payload.empty()) return {};
  const Token token = impl_->shared.payloads.park(std::move(payload));
  const Result<void> sent =
      impl_->send(SendPacket{.id = id, .payload = token, .priority = priority});
  if (!sent) impl_->shared.payloads.take(token);
  return sent;
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::close(ServiceHandle requester, SocketId id, CloseMode mode,
                                      CloseAnswer answer) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->send(ClosePacket{.id = id, .requester = requester, .mode = mode, .answer = answer});
}

template <Syscalls Sys>
void SocketServer<Sys>::wake() {
  if (impl_->shared.woken.exchange(true)) return;
  // A packet that names nothing: the reactor looks at the flag after every batch.
  [[maybe_unused]] const auto sent = impl_->send(SendPacket{.id = 1, .payload = 0});
}

template <Syscalls Sys>
void SocketServer<Sys>::owner_gone(ServiceHandle owner) {
  {
    const std::lock_guard lock(impl_->shared.gone_mutex);
    impl_->shared.gone.push_back(owner);
  }
  wake();
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::exit() {
  return impl_->send(ExitPacket{});
}

template <Syscalls Sys>
bool SocketServer<Sys>::poll(int timeout_ms) {
  return impl_->reactor->poll(timeout_ms);
}

template <Syscalls Sys>
State SocketServer<Sys>::state(SocketId id) const {
  return impl_->shared.slots.state(id);
}

template <Syscalls Sys>
SocketServerCounts SocketServer<Sys>::counts() const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  const ReactorCounters& from = impl_->counters;
  return {.accepts = read(from.accepts),
          .packets = read(from.packets),
          .decode_errors = read(from.decode_errors),
          .stale_tokens = read(from.stale_tokens),
          .dropped_sends = read(from.dropped_sends),
          .stale_events = read(from.stale_events),
          .refused_accepts = read(from.refused_accepts),
          .bytes_read = read(from.bytes_read),
          .bytes_written = read(from.bytes_written),
          .slots_used = impl_->shared.slots.used(),
          .payloads_parked = impl_->shared.payloads.parked()};
}

template <Syscalls Sys>
int SocketServer<Sys>::control_fd() const {
  return impl_->channel.write_fd();
}

}  // namespace skysock
