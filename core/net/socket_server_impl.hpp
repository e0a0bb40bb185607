#pragma once

// Definitions of SocketServer<Sys>; included by the file that instantiates it for a kernel, and by
// nothing else.

#include <future>
#include <thread>

#include "core/net/reactor_commands_impl.hpp"
#include "core/net/reactor_io_impl.hpp"
#include "core/net/reactor_loop_impl.hpp"
#include "core/net/socket_server.hpp"

namespace skysock {

template <Syscalls Sys>
struct SocketServer<Sys>::Impl {
  Impl(Sys& sys_in, const Tuning& tuning_in, ControlChannel<Sys> channel_in)
      : sys(sys_in),
        tuning(tuning_in),
        shared(static_cast<std::size_t>(tuning_in.slots)),
        channel(std::move(channel_in)) {}

  ~Impl() {
    channel.shut();
    for (const ParkedFd& parked : shared.fds.take_all()) {
      if (parked.kind != ParkedFd::Kind::borrowed) sys.close(parked.fd);
    }
  }

  Sys& sys;
  Tuning tuning;
  Shared shared;
  ControlChannel<Sys> channel;
  ReactorCounters counters;
  std::unique_ptr<Reactor<Sys>> reactor;
  std::atomic<const void*> polling{nullptr};  ///< Who is inside poll(), as this_thread() says.
  std::atomic<bool> exited{false};

  /// Names the calling thread. Cheaper than std::this_thread::get_id(), which is a call.
  static const void* this_thread() {
    static constinit thread_local const char place = 0;
    return &place;
  }

  [[nodiscard]] bool on_reactor_thread() const {
    return polling.load(std::memory_order_relaxed) == this_thread();
  }

  template <typename Packet>
  Result<void> give(Packet packet) {
    if (!on_reactor_thread()) return channel.send(encode(std::move(packet)));
    reactor->give(std::move(packet));
    return {};
  }

  void wake() {
    shared.woken.store(true, std::memory_order_seq_cst);
    if (!on_reactor_thread()) channel.wake();
  }

  /// Has `call` called on the reactor thread, behind every packet that this thread has sent.
  void visit(std::move_only_function<void()> call) {
    {
      const std::lock_guard lock(shared.inbox.mutex);
      shared.inbox.visits.push_back({.call = std::move(call), .mark = channel.mark()});
    }
    wake();
  }

  // ---- Making sockets

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
    return shared.slots.reserve(owner, protocol,
                                static_cast<std::uint32_t>(tuning.output_limit_bytes),
                                static_cast<LimitPolicy>(tuning.output_limit_policy));
  }

  /// Takes a descriptor along in a packet that `make(id, token)` builds; closes it when that fails,
  /// unless it is borrowed.
  template <typename Make>
  Result<SocketId> adopt(ServiceHandle owner, int fd, ParkedFd::Kind kind, Protocol protocol,
                         Make make) {
    const auto drop = [&] {
      if (kind != ParkedFd::Kind::borrowed) sys.close(fd);
    };
    const std::optional<SocketId> id = reserve(owner, protocol);
    if (!id) {
      drop();
      return failure(std::errc::too_many_files_open_in_system);
    }
    const Token token = shared.fds.park({.fd = fd, .id = *id, .kind = kind});
    const Result<void> given = give(make(*id, token));
    if (given) return *id;
    if (shared.fds.take(token)) drop();
    set_default_address(*id, nullptr);
    shared.slots.release(*id);
    return Failure(given.error());
  }

  Result<int> listen_on(const Endpoint& endpoint, int backlog) {
    const Result<int> fd = sys.stream_socket(endpoint.family());
    if (!fd) return fd;
    // Accepted sockets inherit all of these from the listener: no call per connection.
    Result<void> done = {};
    const auto set = [&](SocketOption option, std::int64_t value) {
      if (done && value > 0) done = sys.set_option(*fd, option, static_cast<int>(value));
    };
    set(SocketOption::keepalive, tuning.keepalive);
    set(SocketOption::nodelay, tuning.nodelay);
    set(SocketOption::send_buffer_bytes, tuning.send_buffer_bytes);
    set(SocketOption::receive_buffer_bytes, tuning.receive_buffer_bytes);
    if (done) done = sys.bind(*fd, endpoint);
    if (done) done = sys.listen(*fd, backlog);
    if (done) return *fd;
    sys.close(*fd);
    return Failure(done.error());
  }

  Result<int> datagrams_on(const Endpoint& endpoint, bool bound) {
    const Result<int> fd = sys.datagram_socket(endpoint.family());
    if (!fd) return fd;
    // Without it nobody would ever hear that a peer is not there; silence is no reason to give up.
    [[maybe_unused]] const auto set = sys.set_option(*fd, SocketOption::report_icmp, 1);
    if (!bound) return fd;
    const Result<void> done = sys.bind(*fd, endpoint);
    if (done) return *fd;
    sys.close(*fd);
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

  /// Of a datagram socket that the reactor does not know yet; nullptr: none.
  void set_default_address(SocketId id, std::unique_ptr<Endpoint> to) {
    SharedSlot& slot = shared.slots.at(id);
    slot.lock.lock([this] { sys.yield_thread(); });
    slot.address = std::move(to);
    slot.addressing.reset();
    if (slot.address) slot.addressing.set_addressed();
    unlock(slot, id, false);
  }

  static Protocol protocol_of(const Endpoint& endpoint) {
    return endpoint.family() == AF_INET ? Protocol::udp_v4 : Protocol::udp_v6;
  }

  // ---- Sending

  /// A payload that is the server's, or memory that stays the caller's.
  struct Owned {
    Block& block;
    [[nodiscard]] std::span<const std::byte> bytes() const { return block.bytes(); }
    Block rest(std::size_t sent) {
      block.remove_prefix(sent);
      return std::move(block);
    }
  };
  struct Foreign {
    std::span<const std::byte> memory;
    [[nodiscard]] std::span<const std::byte> bytes() const { return memory; }
    [[nodiscard]] Block rest(std::size_t sent) const {
      return Block::copy_of(memory.subspan(sent));
    }
  };

  void unlock(SharedSlot& slot, SocketId id, bool remainder) {
    if (slot.lock.unlock() || remainder) [[unlikely]] {
      // Without a reactor nobody waits for it.
      [[maybe_unused]] const auto given = give(ArmWritePacket{.id = id});
    }
  }

  /// Requires: the slot's lock. Whether a write would be in order and reach the right socket.
  static bool may_write(const SharedSlot& slot, SocketId id, const Published& seen) {
    return slot.output.is_idle(id) && seen.send == SendMode::direct && slot.fd >= 0;
  }

  static std::error_code hard_error(const Result<std::size_t>& answer) {
    const bool passing = answer || answer.error() == std::errc::resource_unavailable_try_again ||
                         answer.error() == std::errc::interrupted;
    return passing ? std::error_code() : answer.error();
  }

  /// `whole`: nothing is left of the send. The reactor's own thread, the hot one without workers,
  /// counts without an atomic operation.
  void wrote(SharedSlot& slot, const Published& seen, std::size_t bytes, bool whole) {
    slot.direct_bytes += bytes;
    // A clock is read only where it matters; the reactor's, which may be asleep, does else.
    slot.direct_ms = seen.timed ? sys.now_ms() : shared.now_ms.load(std::memory_order_relaxed);
    const std::uint64_t writes = whole ? 1 : 0;
    if (on_reactor_thread()) {
      counters.direct_bytes_here.add(bytes);
      counters.direct_writes_here.add(writes);
    } else {
      counters.direct_bytes.fetch_add(bytes, std::memory_order_relaxed);
      counters.direct_writes.fetch_add(writes, std::memory_order_relaxed);
    }
  }

  /// One write(2) on the calling thread, if nothing is pending. Nothing when that is not possible:
  /// the payload is untouched then.
  template <typename Payload>
  [[gnu::always_inline]] std::optional<SendOutcome> write_stream(SharedSlot& slot, SocketId id,
                                                                 Payload& payload) {
    if (!slot.output.is_idle(id) || !slot.lock.try_lock()) return std::nullopt;
    const Published seen = slot.seen();
    if (!may_write(slot, id, seen)) [[unlikely]] {
      unlock(slot, id, false);
      return std::nullopt;
    }
    const std::span<const std::byte> bytes = payload.bytes();
    const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    const Result<std::size_t> answer = sys.send(slot.fd, std::span(&part, 1));
    const std::size_t sent = answer.value_or(0);
    const bool whole = sent == bytes.size();
    if (sent > 0) wrote(slot, seen, sent, whole);
    if (whole) [[likely]] {
      unlock(slot, id, false);
      return SendOutcome::written;
    }
    // The reactor sends the rest, or tells the owner why not.
    slot.remainder = std::make_unique<Remainder>(payload.rest(sent), hard_error(answer));
    [[maybe_unused]] const auto counted =
        slot.output.add(id, bytes.size() - sent, OutputCount::kBytesMax);
    SKYSOCK_CHECK(counted == OutputCount::Added::yes);  // It was 0, and nobody else adds so much.
    unlock(slot, id, true);
    counters.direct_remainders.fetch_add(1, std::memory_order_relaxed);
    return SendOutcome::queued;
  }

  /// One sendto(2), under the same conditions. `to` nullptr: the default destination.
  std::optional<SendOutcome> write_datagram(SharedSlot& slot, SocketId id,
                                            std::span<const std::byte> payload,
                                            const Endpoint* to) {
    if (!slot.output.is_idle(id) || !slot.lock.try_lock()) return std::nullopt;
    const Endpoint* where = to != nullptr ? to : slot.address.get();
    const Published seen = slot.seen();
    const bool may = may_write(slot, id, seen) && !slot.addressing.changes() && where != nullptr;
    const bool sent = may && sys.send_to(slot.fd, payload, *where).has_value();
    if (sent) wrote(slot, seen, payload.size(), true);
    unlock(slot, id, false);
    if (!sent) return std::nullopt;
    return SendOutcome::written;
  }

  /// What a payload counts while it waits.
  static std::size_t counted_bytes(Protocol protocol, std::size_t bytes) {
    return bytes + (is_udp(protocol) ? kDatagramKeepBytes : 0);
  }

  /// What the output limit says. The total includes what is still on its way to the reactor.
  static bool within_limit(const SharedSlot& slot, SocketId id, std::size_t bytes) {
    const std::uint64_t limit = slot.limit.load(std::memory_order_relaxed);
    const std::uint64_t queued = slot.output.bytes(id).value_or(0);
    return bytes <= limit && queued <= limit - bytes;
  }

  Failure over_limit(SocketId id, LimitPolicy policy) {
    counters.limited_sends.fetch_add(1, std::memory_order_relaxed);
    if (policy == LimitPolicy::abort) {
      [[maybe_unused]] const auto given = give(ClosePacket{.id = id, .mode = CloseMode::abortive});
    }
    return failure(std::errc::no_buffer_space);
  }

  Failure refuse(std::errc reason) {
    counters.refused_sends.fetch_add(1, std::memory_order_relaxed);
    return failure(reason);
  }

  /// Parks the payload and tells the reactor, in the packet that `make(token)` builds.
  template <typename Make>
  Result<SendOutcome> queue(SharedSlot& slot, SocketId id, Block payload, const Published& seen,
                            Make make) {
    const std::size_t bytes = counted_bytes(seen.protocol, payload.size());
    switch (slot.output.add(id, bytes, slot.limit.load(std::memory_order_relaxed))) {
      case OutputCount::Added::yes:
        break;
      case OutputCount::Added::stale:
        return refuse(std::errc::bad_file_descriptor);
      case OutputCount::Added::full:
        return over_limit(id, seen.policy);
    }
    counters.queued_sends.fetch_add(1, std::memory_order_relaxed);
    const Token token = shared.payloads.park(
        {.data = std::move(payload), .counted_for = id, .counted_bytes = bytes});
    const Result<void> given = give(make(token));
    if (given) return SendOutcome::queued;
    shared.payloads.take(token);
    slot.output.subtract(id, bytes);
    return Failure(given.error());
  }

  template <typename Payload>
  Result<SendOutcome> send(SocketId id, Payload& payload, Priority priority) {
    SharedSlot* slot = shared.slots.find(id);
    const Published seen = slot == nullptr ? Published{} : slot->seen();
    if (seen.send == SendMode::refused) [[unlikely]] {
      return refuse(std::errc::bad_file_descriptor);
    }
    const std::size_t bytes = payload.bytes().size();
    const bool datagram = is_udp(seen.protocol);
    if (bytes == 0 && !datagram) [[unlikely]]
      return SendOutcome::written;
    if (!within_limit(*slot, id, bytes)) [[unlikely]]
      return over_limit(id, seen.policy);
    if (datagram && !slot->addressing.has_destination()) {
      return refuse(std::errc::destination_address_required);
    }
    if (priority == Priority::high && seen.send == SendMode::direct) {
      const std::optional<SendOutcome> done =
          datagram ? write_datagram(*slot, id, payload.bytes(), nullptr)
                   : write_stream(*slot, id, payload);
      if (done) [[likely]]
        return *done;
    }
    return queue(*slot, id, payload.rest(0), seen, [&](Token token) {
      return SendPacket{.id = id, .payload = token, .priority = priority};
    });
  }

  /// Counts a change of a datagram socket's address that is on its way: until the reactor has made
  /// it, nothing is written past it.
  class AddressChange {
   public:
    AddressChange(Impl& impl, SharedSlot& slot, SocketId id) : impl_(impl), slot_(slot), id_(id) {
      change(&Addressing::change_posted);
    }
    ~AddressChange() {
      if (!travels_) change(&Addressing::change_done);
    }
    AddressChange(const AddressChange&) = delete;
    AddressChange& operator=(const AddressChange&) = delete;
    /// The packet is in the channel: the reactor counts down.
    void travels() { travels_ = true; }

   private:
    void change(void (Addressing::*what)()) {
      slot_.lock.lock([this] { impl_.sys.yield_thread(); });
      if (slot_.output.id() == id_) (slot_.addressing.*what)();
      impl_.unlock(slot_, id_, false);
    }

    Impl& impl_;
    SharedSlot& slot_;
    SocketId id_;
    bool travels_ = false;
  };
};

/// What is told from outside while poll() runs goes through the channel.
template <Syscalls Sys>
bool SocketServer<Sys>::poll(int timeout_ms) {
  impl_->polling.store(Impl::this_thread(), std::memory_order_relaxed);
  const bool goes_on = impl_->reactor->poll(timeout_ms);
  impl_->polling.store(nullptr, std::memory_order_relaxed);
  if (!goes_on) impl_->exited.store(true);
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
  auto reactor =
      Reactor<Sys>::create(sys, impl->shared, impl->channel, impl->counters, tuning, sink);
  if (!reactor) return Failure(reactor.error());
  impl->reactor = std::move(*reactor);
  return std::unique_ptr<SocketServer>(new SocketServer(std::move(impl)));
}

template <Syscalls Sys>
Result<SocketId> SocketServer<Sys>::listen(ServiceHandle owner, const std::string& host,
                                           std::uint16_t port, int backlog) {
  const auto endpoints = Impl::endpoints(host, port);
  if (!endpoints) return Failure(endpoints.error());
  const int length = backlog > 0 ? backlog : static_cast<int>(impl_->tuning.backlog);
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
      impl_->give(OpenPacket{.id = *id, .requester = owner, .port = port, .host = host});
  if (given) return *id;
  impl_->shared.slots.release(*id);
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
  return impl_->adopt(owner, made->first, ParkedFd::Kind::datagrams,
                      Impl::protocol_of(made->second), [&](SocketId id, Token token) {
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
      owner, made->first, ParkedFd::Kind::datagrams, Impl::protocol_of(to),
      [&](SocketId id, Token token) {
        impl_->set_default_address(id, std::make_unique<Endpoint>(to));
        return DialPacket{
            .id = id, .requester = owner, .fd = token, .address = UdpAddress::from_endpoint(to)};
      });
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::udp_connect(SocketId id, const std::string& host,
                                            std::uint16_t port) {
  SharedSlot* slot = impl_->shared.slots.find(id);
  if (slot == nullptr) return failure(std::errc::bad_file_descriptor);
  const Protocol protocol = slot->seen().protocol;
  if (!is_udp(protocol)) return failure(std::errc::operation_not_supported);
  const auto endpoints = Impl::endpoints(host, port);
  if (!endpoints) return Failure(endpoints.error());
  const auto fits = std::ranges::find_if(*endpoints, [&](const Endpoint& endpoint) {
    return Impl::protocol_of(endpoint) == protocol;
  });
  if (fits == endpoints->end()) return failure(std::errc::address_family_not_supported);
  typename Impl::AddressChange change(*impl_, *slot, id);
  Result<void> given =
      impl_->give(SetAddressPacket{.id = id, .address = UdpAddress::from_endpoint(*fits)});
  if (given) change.travels();
  return given;
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::start(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->give(StartPacket{.id = id, .requester = requester});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::hold(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hold});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::hand_over(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hand_over});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::give_back(ServiceHandle requester, SocketId id, Block unused) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  if (unused.empty()) return {};
  const Token token = impl_->shared.payloads.park({.data = std::move(unused), .counted_for = 0});
  Result<void> given = impl_->give(
      HoldPacket{.id = id, .requester = requester, .mode = HoldMode::give_back, .payload = token});
  if (!given) impl_->shared.payloads.take(token);
  return given;
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::hand_over_done(ServiceHandle requester, SocketId id) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::done});
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::send(SocketId id, Block payload, Priority priority) {
  typename Impl::Owned owned{payload};
  return impl_->send(id, owned, priority);
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::send(SocketId id, std::span<const std::byte> payload,
                                            Priority priority) {
  typename Impl::Foreign foreign{payload};
  return impl_->send(id, foreign, priority);
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::send_to(SocketId id, const UdpAddress& to, Block payload) {
  SharedSlot* slot = impl_->shared.slots.find(id);
  const Published seen = slot == nullptr ? Published{} : slot->seen();
  if (seen.send == SendMode::refused) return impl_->refuse(std::errc::bad_file_descriptor);
  if (!is_udp(seen.protocol)) return impl_->refuse(std::errc::operation_not_supported);
  if (to.empty() || Impl::protocol_of(to.endpoint()) != seen.protocol) {
    return impl_->refuse(std::errc::address_family_not_supported);
  }
  if (!Impl::within_limit(*slot, id, payload.size())) return impl_->over_limit(id, seen.policy);
  if (seen.send == SendMode::direct) {
    const Endpoint endpoint = to.endpoint();
    if (const auto done = impl_->write_datagram(*slot, id, payload.bytes(), &endpoint)) {
      return *done;
    }
  }
  return impl_->queue(*slot, id, std::move(payload), seen, [&](Token token) {
    return SendToPacket{.id = id, .payload = token, .address = to};
  });
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::close(ServiceHandle requester, SocketId id, CloseMode mode,
                                      CloseAnswer answer) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  return impl_->give(ClosePacket{.id = id, .requester = requester, .mode = mode, .answer = answer});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::set_option(SocketId id, ConnectionOption option,
                                           std::int64_t value) {
  if (id <= 0) return failure(std::errc::bad_file_descriptor);
  if (!takes(option, value)) return failure(std::errc::invalid_argument);
  return impl_->give(OptionPacket{.id = id, .option = option, .value = value});
}

template <Syscalls Sys>
Result<void> SocketServer<Sys>::exit() {
  return impl_->give(ExitPacket{});
}

template <Syscalls Sys>
void SocketServer<Sys>::owner_gone(ServiceHandle owner) {
  impl_->visit([reactor = impl_->reactor.get(), owner] { reactor->owner_gone(owner); });
}

template <Syscalls Sys>
void SocketServer<Sys>::wake() {
  impl_->wake();
}

template <Syscalls Sys>
int SocketServer<Sys>::wake_fd() const {
  return impl_->channel.wake_fd() >= 0 ? -1 : impl_->channel.ready_fd();
}

template <Syscalls Sys>
std::vector<SocketInfo> SocketServer<Sys>::netstat(std::chrono::milliseconds limit) {
  if (impl_->on_reactor_thread()) return impl_->reactor->netstat();
  auto answer = std::make_shared<std::promise<std::vector<SocketInfo>>>();
  std::future<std::vector<SocketInfo>> answered = answer->get_future();
  impl_->visit([reactor = impl_->reactor.get(), answer] { answer->set_value(reactor->netstat()); });
  constexpr std::chrono::milliseconds kStep{20};
  for (auto waited = kStep; answered.wait_for(kStep) != std::future_status::ready;
       waited += kStep) {
    if (impl_->exited.load() || waited >= limit) return {};
  }
  return answered.get();
}

template <Syscalls Sys>
void SocketServer<Sys>::observe(const StepObserver& observer) {
  impl_->reactor->observe(observer);
}

template <Syscalls Sys>
State SocketServer<Sys>::state(SocketId id) const {
  return impl_->shared.slots.state(id);
}

template <Syscalls Sys>
Protocol SocketServer<Sys>::protocol(SocketId id) const {
  const SharedSlot* slot = impl_->shared.slots.find(id);
  return slot == nullptr ? Protocol::tcp : slot->seen().protocol;
}

template <Syscalls Sys>
SocketServerCounts SocketServer<Sys>::counts() const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  const ReactorCounters& from = impl_->counters;
  const ChannelCounters channel = impl_->channel.counters();
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
      .datagrams_written = from.datagrams_written.read(),
      .warnings = from.warnings.read(),
      .waits = from.waits.read(),
      .wakeups = from.wakeups.read(),
      .events = from.events.read(),
      .busy_polls = from.busy_polls.read(),
      .busy_polls_in_vain = from.busy_polls_in_vain.read(),
      .slots_used = impl_->shared.slots.used(),
      .payloads_parked = impl_->shared.payloads.parked()};
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
  return impl_->channel.send_bytes(bytes);
}

template <Syscalls Sys>
Result<SendOutcome> SocketServer<Sys>::post_send(SocketId id, Block payload, Priority priority) {
  const std::size_t bytes = Impl::counted_bytes(protocol(id), payload.size());
  // Of a stale id nobody counts any more.
  if (SharedSlot* slot = impl_->shared.slots.find(id)) [[maybe_unused]]
    const auto counted = slot->output.add(id, bytes, OutputCount::kBytesMax);
  const Token token = impl_->shared.payloads.park(
      {.data = std::move(payload), .counted_for = id, .counted_bytes = bytes});
  const Result<void> given =
      impl_->give(SendPacket{.id = id, .payload = token, .priority = priority});
  if (given) return SendOutcome::queued;
  impl_->shared.payloads.take(token);
  return Failure(given.error());
}

template <Syscalls Sys>
std::size_t SocketServer<Sys>::slot_bytes() {
  return sizeof(SharedSlot) + Reactor<Sys>::slot_bytes() + DeadlineLists::slot_bytes() +
         SlotTable::slot_bytes();
}

}  // namespace skysock
