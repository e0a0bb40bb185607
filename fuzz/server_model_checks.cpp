// ServerModel: the server against the model.

#include <sys/epoll.h>

#include <algorithm>

#include "core/base/check.hpp"
#include "fuzz/server_model.hpp"

namespace skysock::fuzz {
namespace {

/// Output waits there for a time when it can leave; elsewhere there is none.
bool holds_output(State state) {
  switch (state) {
    case State::free:
    case State::plisten:
    case State::listening:
    case State::listening_held:
    case State::accept_paused:
    case State::paccept:
    case State::halfclose_write:
    case State::halfclose_write_held:
    case State::lingering:
      return false;
    default:
      return true;
  }
}

bool has_descriptor(State state) {
  switch (state) {
    case State::free:
    case State::reserved:
    case State::reserved_draining:
    case State::resolving:
    case State::resolving_held:
    case State::resolving_draining:
      return false;
    default:
      return true;
  }
}

/// What the kernel is asked for; nothing: it does not know the descriptor. That the peer is gone is
/// told unasked. `output`: bytes wait that the kernel did not take.
std::optional<std::uint32_t> interest_of(State state, bool output) {
  const std::uint32_t out = output ? std::uint32_t{EPOLLOUT} : 0;
  switch (state) {
    case State::free:
    case State::reserved:
    case State::reserved_draining:
    case State::resolving:
    case State::resolving_held:
    case State::resolving_draining:
    case State::plisten:
    case State::paccept:
      return std::nullopt;
    case State::connecting:
    case State::connecting_held:
    case State::connecting_draining:
      return EPOLLOUT;
    case State::listening:
      return EPOLLIN;
    case State::listening_held:
    case State::accept_paused:
    case State::halfclose_write_held:
      return 0;
    case State::connected:
    case State::draining:
      return EPOLLIN | EPOLLRDHUP | out;
    case State::halfclose_write:
    case State::lingering:
      return EPOLLIN | EPOLLRDHUP;
    case State::connected_held:
    case State::halfclose_read:
    case State::draining_eof:
    case State::draining_silent:
      return out;
    case State::udp:
      return EPOLLIN | out;
    case State::handing_over:
    case State::handing_over_started:
    case State::handed_over:
    case State::udp_held:
    case State::udp_draining:
      if (!output) return std::nullopt;
      return EPOLLOUT | EPOLLONESHOT;
  }
  return std::nullopt;
}

/// The same with edges: a stream is registered once, for everything.
std::optional<std::uint32_t> edges_of(State state, bool output) {
  const std::optional<std::uint32_t> levels = interest_of(state, output);
  if (!levels || (*levels & EPOLLONESHOT) != 0) return levels;
  if (state == State::listening) return EPOLLIN | EPOLLET;
  return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
}

}  // namespace

void ServerModel::check(const SocketServer<SimKernel>& server, const SocketServerCounts& counts,
                        const ChannelModel& channel, bool quiet) {
  skip_ends();
  SKYSOCK_CHECK(done_.empty());
  check_counts(counts, channel);
  for (const auto& [id, socket] : sockets_) SKYSOCK_CHECK(server.state(id) == socket.state);
  if (!quiet) return;
  check_traffic(counts);
  check_descriptors(channel);
  for (const auto& [id, socket] : sockets_) {
    check_socket(id, socket, server.queued_bytes(id), channel);
  }
}

// ---- Counts

void ServerModel::check_counts(const SocketServerCounts& counts, const ChannelModel& channel) {
  const auto steps = [this](Input input) { return steps_[static_cast<std::size_t>(input)]; };
  SKYSOCK_CHECK(counts.accepts == steps(Input::accepted));
  SKYSOCK_CHECK(counts.datagrams_read == steps(Input::datagram));
  SKYSOCK_CHECK(counts.closes_by_input == ends_);
  SKYSOCK_CHECK(counts.refused_events == refused_events_);
  SKYSOCK_CHECK(counts.warnings == warnings_);
  SKYSOCK_CHECK(counts.decode_errors == channel.decode_errors());
  SKYSOCK_CHECK(counts.stale_tokens == channel.stale_tokens());
  for (std::size_t kind = 0; kind < kPacketKindCount; ++kind) {
    std::uint64_t packets = 0;
    for (const char letter : kPacketLetters[kind]) packets += channel.packets_of(letter);
    SKYSOCK_CHECK(counts.packets_by_kind[kind] == packets);
  }
  SKYSOCK_CHECK(counts.payloads_parked == channel.payloads_parked());
  SKYSOCK_CHECK(counts.slots_used == sockets_.size());
  SKYSOCK_CHECK(counts.dropped_sends >= dropped_);
  SKYSOCK_CHECK(counts.dropped_sends <= dropped_ + dropped_unseen_);
}

/// What the server says that it moved, the kernel moved.
void ServerModel::check_traffic(const SocketServerCounts& counts) {
  std::uint64_t read_bytes = kernel_.socket_traffic().read_bytes;
  for (const int fd : lent_fds_) read_bytes += kernel_.traffic(fd).read_bytes;
  SKYSOCK_CHECK(counts.bytes_read == read_bytes);
  SKYSOCK_CHECK(counts.bytes_written == kernel_.socket_traffic().sent_bytes);
  SKYSOCK_CHECK(counts.datagrams_written == kernel_.socket_traffic().datagrams_sent);
}

// ---- Descriptors

/// One for each socket but those that have none yet and those that are lent; the server's own; and
/// those on their way to it.
void ServerModel::check_descriptors(const ChannelModel& channel) {
  const auto own = std::ranges::count_if(sockets_, [](const auto& entry) {
    return has_descriptor(entry.second.state) && !entry.second.lent_fd;
  });
  const std::size_t due = base_fds_ + lent_fds_.size() + static_cast<std::size_t>(own) +
                          channel.fds_parked('L') + channel.fds_parked('U');
  if (kernel_.open_fds() == due) return;
  // The spare one is gone when it could not be opened again.
  const bool no_spare = std::ranges::any_of(
      kernel_.faults_met(), [](const auto& fault) { return fault.first == Call::open_spare; });
  SKYSOCK_CHECK(no_spare && kernel_.open_fds() + 1 == due);
}

// ---- Sockets

const EpollSet::Interest* ServerModel::watched(SocketId id) {
  const auto& all = kernel_.watched();
  const auto found =
      std::ranges::find(all, static_cast<std::uint64_t>(id), &EpollSet::Interest::data);
  return found == all.end() ? nullptr : &*found;
}

/// Output that was accepted, and neither lost nor taken by the kernel.
std::uint64_t ServerModel::left(const Socket& socket, const EpollSet::Interest* interest) {
  const std::uint64_t left_bytes = socket.accepted_bytes - socket.lost_bytes;
  if (interest == nullptr && !socket.lent_fd) return left_bytes;
  const SimKernel::Traffic& traffic =
      kernel_.traffic(socket.lent_fd.value_or(interest == nullptr ? -1 : interest->fd));
  const std::uint64_t kept = keep_bytes(socket.datagrams) * traffic.datagrams_sent;
  return left_bytes - traffic.sent_bytes - kept;
}

void ServerModel::check_socket(SocketId id, const Socket& socket, std::uint64_t queued,
                               const ChannelModel& channel) {
  const EpollSet::Interest* interest = watched(id);
  const std::uint64_t parked = channel.parked_bytes(id, keep_bytes(socket.datagrams));
  SKYSOCK_CHECK(queued >= parked);
  const bool output = queued > parked;
  if (!holds_output(socket.state)) {
    SKYSOCK_CHECK(!output);
  } else if (!socket.lost_unseen &&
             (interest != nullptr || socket.lent_fd || !has_descriptor(socket.state))) {
    SKYSOCK_CHECK(queued == left(socket, interest));
  }
  // Of the rest of a direct write the reactor may never hear, when its packet was lost.
  if (socket.pollable && socket.arm_writes_due == 0) check_interest(socket, interest, output);
}

void ServerModel::check_interest(const Socket& socket, const EpollSet::Interest* interest,
                                 bool output) {
  const auto due = edges_ ? edges_of(socket.state, output) : interest_of(socket.state, output);
  SKYSOCK_CHECK(due.has_value() == (interest != nullptr));
  if (interest == nullptr) return;
  SKYSOCK_CHECK(interest->mask == *due);
  SKYSOCK_CHECK(interest->enabled);
}

void ServerModel::check_flags(const SocketInfo& info, std::uint64_t parked) {
  const Socket& socket = sockets_.at(info.id);
  const EpollSet::Interest* interest = watched(info.id);
  const bool reads = (interest_of(socket.state, false).value_or(0) & EPOLLIN) != 0;
  SKYSOCK_CHECK(info.reading == (interest != nullptr && reads));
  const bool writes = interest != nullptr && (interest->mask & EPOLLOUT) != 0;
  if (socket.arm_writes_due == 0) {
    SKYSOCK_CHECK(info.writing == (writes && info.queued_bytes > parked));
  }
}

}  // namespace skysock::fuzz
