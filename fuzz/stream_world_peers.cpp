// StreamWorld: what peers, the kernel and time do.

#include <netdb.h>

#include <array>
#include <cerrno>

#include "core/base/check.hpp"
#include "fuzz/fault_choices.hpp"
#include "fuzz/stream_hosts.hpp"
#include "fuzz/stream_world.hpp"

namespace skysock::fuzz {
namespace {

constexpr std::size_t kPeerBytesMax = 8'192;

}  // namespace

void set_hosts(SimKernel& kernel) {
  static const Endpoint kRemote = endpoint(kRemoteHost, 0);
  static const Endpoint kOtherRemote = endpoint(kOtherRemoteHost, 0);
  static const Endpoint kDeadV6 = endpoint(kDeadHostV6, 0);
  static const Endpoint kLocal = endpoint(kLocalHost, 0);
  kernel.set_host(kTwoAddresses, {kOtherRemote, kRemote});
  kernel.set_host(kDeadThenAlive, {kDeadV6, kRemote});
  kernel.set_host(kOurselves, {kLocal});
  kernel.set_host_error(kUnresolvable, EAI_FAIL);
}

// ---- Peers

StreamWorld::Peer* StreamWorld::pick_peer() {
  const std::size_t choice = input_.byte();
  if (peers_.empty()) return nullptr;
  Peer& peer = peers_[choice % peers_.size()];
  return peer.open ? &peer : nullptr;
}

void StreamWorld::op_dial() {
  const std::size_t choice = input_.byte();
  if (listen_ports_.empty()) return;
  const std::uint16_t port = listen_ports_[choice % listen_ports_.size()];
  auto end = kernel_.dial(endpoint(kLocalHost, port));
  if (!end) return;
  const std::string name = end->local().text();
  peers_.push_back({.end = std::move(*end), .name = name});
}

/// Somebody who shares a listening socket ends it for all.
void StreamWorld::op_shut_listener() {
  const std::size_t choice = input_.byte();
  if (listen_ports_.empty()) return;
  const Endpoint at = endpoint(kLocalHost, listen_ports_[choice % listen_ports_.size()]);
  if (kernel_.has_listener(at)) kernel_.shut_listener(at);
}

void StreamWorld::op_peer_send() {
  Peer* peer = pick_peer();
  const std::size_t size = 1 + std::size_t{input_.byte()};
  if (peer == nullptr || sent_bytes_ > kPeerBytesMax) return;
  std::string text(size, '\0');
  for (std::size_t at = 0; at < size; ++at) {
    text[at] = static_cast<char>((peer->sent.size() + at) * 13 + peer->name.size());
  }
  const std::size_t taken = peer->end.send(text);
  sent_bytes_ += taken;
  peer->sent += text.substr(0, taken);
}

void StreamWorld::op_peer_read() {
  Peer* peer = pick_peer();
  const std::size_t size = 1 + std::size_t{input_.byte()};
  if (peer != nullptr) peer->received += peer->end.read(size);
}

void StreamWorld::op_peer_shutdown() {
  if (Peer* peer = pick_peer()) peer->end.shutdown_write();
}

void StreamWorld::op_peer_close() {
  if (Peer* peer = pick_peer()) {
    peer->end.close();
    peer->open = false;
  }
}

void StreamWorld::op_peer_reset() {
  if (Peer* peer = pick_peer()) {
    peer->end.reset();
    peer->open = false;
  }
}

/// Something to one of our datagram sockets that peers know of.
void StreamWorld::op_udp_peer_send() {
  SimUdpPeer& peer = udp_peers_[input_.below(udp_peers_.size())];
  const std::size_t choice = input_.byte();
  const auto text = message(input_.byte());
  const std::vector<std::string> known = server_.datagrams().endpoints();
  if (!text || known.empty()) return;
  const std::string& to = known[choice % known.size()];
  const HostPort parts = parse_host_port(to).value();
  const Endpoint at = endpoint(parts.host.c_str(), parts.port);
  if (at.family() != peer.local().family()) return;
  if (peer.send_to(at, *text)) {
    server_.datagrams().sent_by_peer(peer.local().text(), to, *text);
  }
}

/// The end of a pipe that we kept: reads or writes, or closes.
void StreamWorld::op_pipe_end() {
  const std::size_t choice = input_.byte();
  const bool closes = input_.below(2) == 1;
  const std::size_t size = 1 + std::size_t{input_.byte()};
  if (lent_.empty()) return;
  Lent& lent = lent_[choice % lent_.size()];
  if (!lent.far) return;
  if (closes) {
    lent.far.reset();
  } else if (!lent.far_writes) {
    lent.received += lent.far->read(size);
  } else if (sent_bytes_ <= kPeerBytesMax) {
    std::string text(size, '\0');
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = static_cast<char>((lent.sent.size() + at) * 11);
    }
    const std::size_t taken = lent.far->write(text);
    sent_bytes_ += taken;
    lent.sent += text.substr(0, taken);
  }
}

void StreamWorld::op_remote_answer() {
  const std::size_t choice = input_.byte();
  const auto answer = static_cast<RemoteAnswer>(input_.below(3));
  if (remotes_.empty()) return;
  kernel_.set_remote(remotes_[choice % remotes_.size()].at, answer);
}

void StreamWorld::op_resolver() {
  switch (input_.below(3)) {
    case 0:
      return kernel_.hold_answers(true);
    case 1:
      return kernel_.hold_answers(false);
    default:
      return kernel_.release_answers();
  }
}

// ---- Kernel and time

void StreamWorld::op_fault() {
  const Call call = kFaultCalls[input_.below(kFaultCalls.size())];
  const int error = kFaultErrors[input_.below(kFaultErrors.size())];
  kernel_.fail_next(call, error, input_.below(8));
  disturbed_ = true;
  if (call == Call::epoll_wait) ++wait_faults_;
  if (call == Call::open_spare) ++spare_faults_;
}

void StreamWorld::op_limit_send() {
  kernel_.limit_next_send(input_.byte());
  ++send_limits_;
}

void StreamWorld::op_fd_limit() {
  const std::uint8_t left = input_.byte();
  const int used = static_cast<int>(kFirstFd + kernel_.open_fds());
  kernel_.options().fd_limit = left == 255 ? kFdLimit : used + left % 4;
}

void StreamWorld::op_advance() { kernel_.advance_ms(std::int64_t{100} * input_.byte()); }
void StreamWorld::op_poll() { poll(0); }
void StreamWorld::op_poll_until_idle() { poll_until_idle(); }

}  // namespace skysock::fuzz
