// ServerModel: what it is told. What is held against the server is in server_model_checks.cpp.

#include "fuzz/server_model.hpp"

#include <algorithm>

#include "core/base/check.hpp"
#include "core/net/spec_table.hpp"

namespace skysock::fuzz {
namespace {

/// Which input a packet is, if it is one whatever the state.
std::optional<Input> input_of(const FlatPacket& packet) {
  switch (packet.type) {
    case 'S':
      return Input::start;
    case 'T':
      return Input::set_option;
    case 'C':
      return Input::set_address;
    case 'W':
      return Input::arm_write;
    case 'H':
      if (packet.flags == 0) return Input::hold;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

bool is_sending(char type) { return type == 'D' || type == 'P' || type == 'A'; }

bool comes_from_a_packet(Input input) {
  switch (input) {
    case Input::start:
    case Input::set_option:
    case Input::set_address:
    case Input::arm_write:
    case Input::hold:
    case Input::send:
      return true;
    default:
      return false;
  }
}

}  // namespace

ServerModel::ServerModel(SimKernel& kernel, const Tuning& tuning)
    : kernel_(kernel),
      edges_(tuning.poller == static_cast<std::int64_t>(PollerKind::epoll_et)),
      base_fds_(kernel.open_fds()) {}

// ---- What callers did

void ServerModel::made(SocketId id, ServiceHandle owner, bool datagrams) {
  const auto [entry, fresh] =
      sockets_.try_emplace(id, Socket{.owner = owner, .datagrams = datagrams});
  SKYSOCK_CHECK(fresh);
  if (datagrams) datagram_ids_.insert(id);
}

void ServerModel::lent(int fd, SocketId id, bool pollable) {
  lent_fds_.push_back(fd);
  if (id == 0) return;
  Socket& socket = sockets_.at(id);
  socket.lent_fd = fd;
  socket.pollable = pollable;
}

std::uint64_t ServerModel::counted(const Socket& socket, std::size_t bytes) {
  return bytes + keep_bytes(socket.datagrams);
}

void ServerModel::sent(SocketId id, std::size_t bytes) {
  const auto found = sockets_.find(id);
  if (found == sockets_.end()) return;  // A caller that was too late.
  Socket& socket = found->second;
  socket.accepted_bytes += counted(socket, bytes);
}

void ServerModel::arm_write_due(SocketId id) {
  const auto found = sockets_.find(id);
  if (found != sockets_.end()) ++found->second.arm_writes_due;
}

// ---- What the server did

void ServerModel::take(const Step& step) {
  const Rule& rule = step.rule;
  const SpecCell& cell = spec_cell(rule.from, rule.input);
  SKYSOCK_CHECK(cell.possible());
  SKYSOCK_CHECK(cell.after(rule.from) == rule.to);
  SKYSOCK_CHECK(cell.emit == rule.emit && cell.act == rule.act);
  ++steps_[static_cast<std::size_t>(rule.input)];
  if (comes_from_a_packet(rule.input)) {
    done_.push_back({.input = rule.input, .id = step.id, .owner = step.owner, .act = rule.act});
  }
  const auto found = sockets_.find(step.id);
  SKYSOCK_CHECK((found == sockets_.end()) == (rule.from == State::free));
  if (found == sockets_.end()) return;
  Socket& socket = found->second;
  SKYSOCK_CHECK(socket.state == rule.from);
  take_owner(socket, step);
  socket.state = rule.to;
  // Of those that raw packets announce there may be none.
  if (rule.input == Input::arm_write && socket.arm_writes_due > 0) --socket.arm_writes_due;
  // Whoever is told of a failed write is told nothing of what waited.
  const bool loses = rule.input == Input::write_failed || rule.input == Input::udp_failed;
  socket.lost_unseen = socket.lost_unseen || loses;
  dropped_unseen_ += rule.input == Input::udp_failed ? 1 : 0;
  if (rule.to != State::free) return;
  ++ends_[static_cast<std::size_t>(rule.input)];
  done_.push_back({.input = std::nullopt, .id = step.id, .owner = 0, .act = Act::nothing});
  sockets_.erase(found);
}

/// Only who starts a socket becomes its owner; and whoever makes one, which raw packets may do for
/// somebody else.
void ServerModel::take_owner(Socket& socket, const Step& step) {
  const State from = step.rule.from;
  const bool made = from == State::reserved || from == State::reserved_draining;
  if (step.rule.act != Act::own && socket.owner != step.owner) {
    SKYSOCK_CHECK(made && meddled_);
    usurped_.insert(step.id);
  }
  socket.owner = step.owner;
}

void ServerModel::take(const Event& event, bool refused) {
  refused_events_ += refused ? 1 : 0;
  warnings_ += event.kind == EventKind::warning && event.ud > 0 ? 1 : 0;
  if (event.kind != EventKind::accept) return;
  const auto id = static_cast<SocketId>(event.ud);
  made(id, event.to, false);
  sockets_.at(id).state = State::paccept;
}

// ---- Packets and the steps that follow from them

void ServerModel::skip_ends() {
  while (!done_.empty() && !done_.front().input) {
    ended_.insert(done_.front().id);
    done_.pop_front();
  }
}

/// Whether `id` had ended when the step was made that comes next.
bool ServerModel::ended_before_next(SocketId id) const {
  if (ended_.contains(id)) return true;
  for (const Done& done : done_) {
    if (done.input) return false;
    if (done.id == id) return true;
  }
  return false;
}

ServerModel::Done ServerModel::next_done(Input input, SocketId id) {
  skip_ends();
  SKYSOCK_CHECK(!done_.empty());
  const Done done = done_.front();
  done_.pop_front();
  SKYSOCK_CHECK(done.input == input && done.id == id);
  return done;
}

void ServerModel::take(const TakenPacket& taken) {
  if (is_sending(taken.packet.type)) return take_send(taken);
  const std::optional<Input> input = input_of(taken.packet);
  if (!input) return;
  const Done done = next_done(*input, static_cast<SocketId>(taken.packet.id));
  if (done.act == Act::own) SKYSOCK_CHECK(done.owner == taken.packet.requester);
}

/// Only a payload that is there and the socket's own gets so far; and a datagram has no place in a
/// stream.
void ServerModel::take_send(const TakenPacket& taken) {
  if (!taken.payload_bytes) return;
  const auto id = static_cast<SocketId>(taken.packet.id);
  const auto found = sockets_.find(id);
  const bool addressed = taken.packet.type == 'A';
  const bool step = !addressed || (datagram_ids_.contains(id) && !ended_before_next(id));
  const bool dropped = !step || next_done(Input::send, id).act == Act::drop;
  dropped_ += dropped ? 1 : 0;
  // What is queued for a socket whose write failed is dropped, and so is a datagram to nowhere.
  dropped_unseen_ += dropped ? 0 : 1;
  if (found == sockets_.end()) return;
  Socket& socket = found->second;
  if (dropped) socket.lost_bytes += counted(socket, *taken.payload_bytes);
  const bool nowhere = socket.datagrams && !addressed && meddled_;
  socket.lost_unseen = socket.lost_unseen || nowhere;
}

}  // namespace skysock::fuzz
