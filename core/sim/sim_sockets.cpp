// SimKernel: datagram sockets, and what all sockets have: endpoints, options, errors.

#include "core/base/check.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {

// ---- Datagrams

Result<int> SimKernel::datagram_socket(int family) {
  if (const auto entered = enter(Call::datagram_socket); !entered) return Failure(entered.error());
  if (family != AF_INET && family != AF_INET6) {
    return failure(std::errc::address_family_not_supported);
  }
  return install(std::make_shared<UdpSocket>(family, options_.datagram_queue_bytes), true);
}

Result<void> SimKernel::bind_datagrams(const Datagrams& socket, const Endpoint& endpoint) {
  if (endpoint.family() != socket->family()) {
    return failure(wrong_family(socket->family(), endpoint));
  }
  if (!is_own(endpoint)) return failure(std::errc::address_not_available);
  if (!socket->local().empty()) return failure(std::errc::invalid_argument);
  return udp_->bind(socket, endpoint);
}

Result<std::size_t> SimKernel::send_to(int fd, std::span<const std::byte> from,
                                       const Endpoint& endpoint) {
  const Result<Object*> object = open(Call::send_to, fd);
  if (!object) return Failure(object.error());
  if (auto* socket = std::get_if<Datagrams>(*object)) {
    const Result<std::size_t> sent = note_sent(fd, udp_->send(*socket, endpoint, from));
    if (sent) {
      ++descriptor(fd).traffic.datagrams_sent;
      ++traffic_.datagrams_sent;
    }
    return sent;
  }
  if (!is_socket(**object)) return failure(std::errc::not_a_socket);
  // A stream does not look at the address.
  const iovec part{.iov_base = const_cast<std::byte*>(from.data()), .iov_len = from.size()};
  return note_block(fd, write_object(**object, {&part, 1}));
}

Result<ReceivedDatagram> SimKernel::receive_from(int fd, std::span<std::byte> into) {
  const Result<Object*> object = open(Call::receive_from, fd);
  if (!object) return Failure(object.error());
  if (auto* socket = std::get_if<Datagrams>(*object)) {
    const Result<ReceivedDatagram> got = note_block(fd, (*socket)->take(into));
    if (got) note_read(fd, got->bytes);
    return got;
  }
  if (!is_socket(**object)) return failure(std::errc::not_a_socket);
  const Result<std::size_t> got = note_block(fd, read_object(**object, into));
  if (!got) return Failure(got.error());
  return ReceivedDatagram{.bytes = *got};
}

SimUdpPeer SimKernel::udp_peer(const Endpoint& at) {
  auto socket = std::make_shared<UdpSocket>(at.family(), SIZE_MAX);
  SKYSOCK_CHECK(udp_->bind(socket, at));
  return {std::move(socket), udp_};
}

// ---- All sockets

Result<void> SimKernel::shutdown_write(int fd) {
  const Result<Object*> object = open(Call::shutdown_write, fd);
  if (!object) return Failure(object.error());
  if (auto* end = std::get_if<Stream>(*object)) return (*end)->shutdown_write();
  if (auto* listener = std::get_if<Listener>(*object)) {
    listener->edges.any();
    if (listener->shut) return failure(std::errc::not_connected);
    return {};
  }
  const bool datagrams = std::holds_alternative<Datagrams>(**object);
  return failure(datagrams ? std::errc::not_connected : std::errc::not_a_socket);
}

Result<int> SimKernel::take_socket_error(int fd) {
  const Result<Object*> object = open(Call::take_socket_error, fd);
  if (!object) return Failure(object.error());
  if (auto* end = std::get_if<Stream>(*object)) return (*end)->take_error();
  if (auto* socket = std::get_if<Datagrams>(*object)) return (*socket)->take_error();
  if (std::holds_alternative<Listener>(**object)) return 0;
  return failure(std::errc::not_a_socket);
}

namespace {

Endpoint local_or_any(const Endpoint& local, int family) {
  return local.empty() ? host_of(family, "0.0.0.0", "::") : local;
}

}  // namespace

Result<Endpoint> SimKernel::local_endpoint(int fd) {
  const Result<Object*> object = open(Call::local_endpoint, fd);
  if (!object) return Failure(object.error());
  if (auto* listener = std::get_if<Listener>(*object)) return listener->local;
  if (auto* end = std::get_if<Stream>(*object)) {
    return local_or_any((*end)->local(), (*end)->family());
  }
  if (auto* socket = std::get_if<Datagrams>(*object)) {
    return local_or_any((*socket)->local(), (*socket)->family());
  }
  return failure(std::errc::not_a_socket);
}

Result<Endpoint> SimKernel::peer_endpoint(int fd) {
  const Result<Object*> object = open(Call::peer_endpoint, fd);
  if (!object) return Failure(object.error());
  if (!is_socket(**object)) return failure(std::errc::not_a_socket);
  auto* end = std::get_if<Stream>(*object);
  if (end == nullptr || !(*end)->is_up()) return failure(std::errc::not_connected);
  return (*end)->remote();
}

// ---- Options

namespace {

/// Source: TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT in do_tcp_setsockopt().
std::optional<std::errc> option_fault(const Object& object, SocketOption option, int value) {
  const auto within = [value](int most) -> std::optional<std::errc> {
    if (value >= 1 && value <= most) return std::nullopt;
    return std::errc::invalid_argument;
  };
  if (!is_socket(object)) return std::errc::not_a_socket;
  const bool datagrams = std::holds_alternative<Datagrams>(object);
  switch (option) {
    case SocketOption::nodelay:
    case SocketOption::keepalive_idle_s:
    case SocketOption::keepalive_interval_s:
    case SocketOption::keepalive_count:
      if (datagrams) return std::errc::no_protocol_option;
      if (option == SocketOption::nodelay) return std::nullopt;
      return within(option == SocketOption::keepalive_count ? 127 : 32'767);
    case SocketOption::keepalive:
    case SocketOption::send_buffer_bytes:
    case SocketOption::receive_buffer_bytes:
    case SocketOption::reset_on_close:
    case SocketOption::report_icmp:
      return std::nullopt;
  }
  return std::errc::invalid_argument;
}

}  // namespace

/// Options that do more than to be remembered.
void SimKernel::apply_option(Object& object, SocketOption option, int value) {
  const auto bytes = static_cast<std::size_t>(std::max(value, 1));
  if (auto* socket = std::get_if<Datagrams>(&object)) {
    if (option == SocketOption::report_icmp) (*socket)->set_report_icmp(value != 0);
    if (option == SocketOption::receive_buffer_bytes) (*socket)->set_queue_bytes_max(bytes);
  }
  if (auto* end = std::get_if<Stream>(&object)) {
    if (option == SocketOption::send_buffer_bytes) (*end)->set_send_bytes(bytes);
    if (option == SocketOption::receive_buffer_bytes) (*end)->set_window_bytes(bytes);
  }
}

Result<void> SimKernel::set_option(int fd, SocketOption option, int value) {
  const Result<Object*> object = open(Call::set_option, fd);
  if (!object) return Failure(object.error());
  if (const auto fault = option_fault(**object, option, value)) return failure(*fault);
  apply_option(**object, option, value);
  descriptor(fd).options[static_cast<std::size_t>(option)] = value;
  return {};
}

std::optional<int> SimKernel::option(int fd, SocketOption option) {
  return descriptor(fd).options[static_cast<std::size_t>(option)];
}

}  // namespace skysock
