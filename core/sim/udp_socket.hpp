#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/sim/addresses.hpp"
#include "core/sim/edges.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// A simulated UDP socket that is not connected, behind a descriptor or a SimUdpPeer.
///
/// Source: udp_sendmsg(), udp_recvmsg(), __udp4_lib_err(), datagram_poll() of Linux;
/// udp_conformance_test.cpp holds this class against them.
class UdpSocket {
 public:
  UdpSocket(int family, std::size_t queue_bytes_max)
      : family_(family), queue_bytes_max_(queue_bytes_max) {}

  /// Queues a datagram. When it has no room behind others it is dropped, as by a real host.
  void receive(const Endpoint& from, std::span<const std::byte> bytes);
  /// An ICMP error in answer to what this socket sent.
  void receive_refusal();
  /// A datagram left the send buffer.
  void was_sent() { edges_.writable(); }

  /// As recvfrom(2). Errors: EAGAIN, or the pending ICMP error.
  Result<ReceivedDatagram> take(std::span<std::byte> into);
  /// As SO_ERROR: 0 or an errno, once.
  int take_error();

  void set_local(const Endpoint& local) { local_ = local; }
  void set_report_icmp(bool on) { report_icmp_ = on; }
  void set_queue_bytes_max(std::size_t bytes) { queue_bytes_max_ = bytes; }

  [[nodiscard]] std::uint32_t readiness() const;
  /// Datagrams that had no room.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  [[nodiscard]] int family() const { return family_; }
  /// Empty until bound.
  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] Edges& edges() { return edges_; }

 private:
  struct Datagram {
    Endpoint from;
    std::vector<std::byte> bytes;
  };

  int family_;
  Endpoint local_;
  std::size_t queue_bytes_max_;
  std::deque<Datagram> queue_;
  std::size_t queue_bytes_ = 0;
  std::uint64_t dropped_ = 0;
  bool report_icmp_ = false;
  int error_ = 0;
  Edges edges_;
};

/// The UDP sockets of all hosts, and the datagrams between them, which travel at once.
class UdpNetwork {
 public:
  static constexpr std::size_t kBytesMaxV4 = 65'507;
  static constexpr std::size_t kBytesMaxV6 = 65'527;

  [[nodiscard]] std::shared_ptr<UdpSocket> at(const Endpoint& endpoint) const;

  /// Gives `socket` its endpoint; port 0 becomes a free one. Errors: EADDRINUSE.
  Result<void> bind(const std::shared_ptr<UdpSocket>& socket, const Endpoint& endpoint);

  /// As sendto(2). An unbound socket is bound first. A datagram to nobody is answered by an ICMP
  /// error. Errors: EMSGSIZE, EAFNOSUPPORT, EINVAL, ENETUNREACH, or the pending ICMP error; each
  /// ends the pending one.
  Result<std::size_t> send(const std::shared_ptr<UdpSocket>& sender, const Endpoint& to,
                           std::span<const std::byte> bytes);

 private:
  std::vector<std::weak_ptr<UdpSocket>> bound_;
  EphemeralPorts ports_;
};

}  // namespace skysock
