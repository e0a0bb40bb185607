#include "core/sim/udp_socket.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace skysock {
namespace {

/// Why no datagram of that kind can leave a socket of `family`.
std::optional<std::errc> sending_fault(int family, const Endpoint& to, std::size_t bytes) {
  if (bytes > (family == AF_INET ? UdpNetwork::kBytesMaxV4 : UdpNetwork::kBytesMaxV6)) {
    return std::errc::message_size;
  }
  if (to.empty()) return std::errc::invalid_argument;
  if (to.family() != family) {
    const bool v6 = family == AF_INET6;
    return v6 ? std::errc::network_unreachable : std::errc::address_family_not_supported;
  }
  if (to.port() == 0) return std::errc::invalid_argument;
  return std::nullopt;
}

}  // namespace

void UdpSocket::receive(const Endpoint& from, std::span<const std::byte> bytes) {
  if (!queue_.empty() && queue_bytes_ + bytes.size() > queue_bytes_max_) {
    ++dropped_;
    return;
  }
  queue_.push_back({.from = from, .bytes = {bytes.begin(), bytes.end()}});
  queue_bytes_ += bytes.size();
  edges_.readable();
}

void UdpSocket::receive_refusal() {
  if (!report_icmp_) return;
  error_ = ECONNREFUSED;
  edges_.any();
}

Result<ReceivedDatagram> UdpSocket::take(std::span<std::byte> into) {
  if (const int error = take_error(); error != 0) return Failure(errno_code(error));
  if (queue_.empty()) return failure(std::errc::resource_unavailable_try_again);
  const Datagram datagram = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= datagram.bytes.size();
  const std::size_t count = std::min(into.size(), datagram.bytes.size());
  std::copy_n(datagram.bytes.begin(), count, into.begin());
  return ReceivedDatagram{.bytes = count, .from = datagram.from};
}

int UdpSocket::take_error() { return std::exchange(error_, 0); }

std::uint32_t UdpSocket::readiness() const {
  const std::uint32_t in = queue_.empty() ? 0 : std::uint32_t{EPOLLIN};
  return in | EPOLLOUT | (error_ != 0 ? std::uint32_t{EPOLLERR} : 0);
}

std::shared_ptr<UdpSocket> UdpNetwork::at(const Endpoint& endpoint) const {
  for (const auto& weak : bound_) {
    const auto socket = weak.lock();
    if (socket && overlap(socket->local(), endpoint)) return socket;
  }
  return nullptr;
}

Result<void> UdpNetwork::bind(const std::shared_ptr<UdpSocket>& socket, const Endpoint& endpoint) {
  if (endpoint.port() != 0 && at(endpoint)) return failure(std::errc::address_in_use);
  const auto taken = [&](std::uint16_t port) { return at(with_port(endpoint, port)) != nullptr; };
  const std::uint16_t port = endpoint.port() != 0 ? endpoint.port() : ports_.next(taken);
  socket->set_local(with_port(endpoint, port));
  std::erase_if(bound_, [](const auto& weak) { return weak.expired(); });
  bound_.push_back(socket);
  return {};
}

Result<std::size_t> UdpNetwork::send(const std::shared_ptr<UdpSocket>& sender, const Endpoint& to,
                                     std::span<const std::byte> bytes) {
  const int pending = sender->take_error();
  if (const auto fault = sending_fault(sender->family(), to, bytes.size())) return failure(*fault);
  if (pending != 0) return Failure(errno_code(pending));
  if (sender->local().empty()) {
    const auto bound = bind(sender, host_of(sender->family(), "0.0.0.0", "::"));
    if (!bound) return Failure(bound.error());
  }
  const Endpoint from = without_wildcard(sender->local());
  sender->was_sent();
  if (const auto receiver = at(to)) {
    receiver->receive(from, bytes);
  } else {
    sender->receive_refusal();
  }
  return bytes.size();
}

}  // namespace skysock
