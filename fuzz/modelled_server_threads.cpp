// ModelledServer: calls that stop in the middle, while others go on. The models are told of each
// step at its yield point, on the spot, so they know what the server can know.

#include "core/base/check.hpp"
#include "fuzz/modelled_server.hpp"
#include "fuzz/overlapped.hpp"

namespace skysock::fuzz {

// ---- What every call does

bool ModelledServer::on_reactor() const {
  return polling_ && (threads_ == nullptr || threads_->current() == poller_);
}

/// Whatever was posted for the id before this step is in front of it.
void ModelledServer::closed(SocketId id) {
  if (threads_ == nullptr) return closed_ids_.push_back(id);
  advance();
  channel_.closed(id);
  silenced_.insert(id);
}

void ModelledServer::fresh(SocketId id) {
  ids_.push_back(id);
  if (threads_ == nullptr) return fresh_ids_.push_back(id);
  advance();
  channel_.accepted(static_cast<std::uint32_t>(id));
}

/// The call has returned, and succeeded.
void ModelledServer::finish(CallUnderWay& call) {
  if (call.posted) return;
  // Given inside a callback, past the channel.
  SKYSOCK_CHECK(on_reactor());
  channel_.feed_local(call.packet(call.id, call.token));
  was_posted(call);
}

void ModelledServer::was_posted(CallUnderWay& call) {
  call.posted = true;
  if (call.was_posted) call.was_posted();
}

// ---- Yield points

void ModelledServer::arrived(YieldPoint point, SocketId id) {
  const auto found = calls_.find(threads_->current());
  if (found == calls_.end()) return;
  CallUnderWay& call = *found->second;
  const auto bits = static_cast<std::uint32_t>(id);
  switch (point) {
    case YieldPoint::id_reserved:
      // What was taken before was not for this socket.
      advance();
      call.id = id;
      return call.was_reserved(id);
    case YieldPoint::fd_parked:
      advance();
      call.token = channel_.park_fd(bits, call.fd_letter);
      return;
    case YieldPoint::payload_parked:
      advance();
      call.token = channel_.park_payload(bits, *call.text);
      if (meddled_) tell_of_datagram(call);
      return;
    case YieldPoint::ring_reserved:
    case YieldPoint::pipe_written:
      if (call.extra) return channel_.feed(encode(*std::exchange(call.extra, {})).bytes());
      SKYSOCK_CHECK(!call.posted);
      channel_.feed(encode(call.packet(call.id, call.token)).bytes());
      return was_posted(call);
    case YieldPoint::arm_write_due:
      ++remainders_[id];
      model_->arm_write_due(id);
      told_of_locks_ = true;
      call.extra = ArmWritePacket{.id = id};
      break;
    case YieldPoint::limit_closes:
      call.closed = true;
      check_limit(call, id);
      call.extra = ClosePacket{.id = id, .mode = CloseMode::abortive};
      break;
    case YieldPoint::direct_checked:
      return about_to_write(call, id);
    case YieldPoint::direct_called:
      return wrote_directly(call, id);
    case YieldPoint::direct_parked:
      call.cut = true;
      return;
    case YieldPoint::send_counted:
      return accepted(id, call.text->size());
    default:
      return;
  }
  if (on_reactor()) channel_.feed_local(*std::exchange(call.extra, {}));
}

void ModelledServer::left(YieldPoint point, SocketId id) {
  const auto found = calls_.find(threads_->current());
  if (found != calls_.end() && point == YieldPoint::send_looks) {
    found->second->seen = server_->state(id);
    found->second->seen_open = accepts_sends(id, found->second->seen);
    // In the middle of a poll the models may not have heard of another policy.
    if (!reactor_is_busy()) found->second->seen_aborts = limit_of(id).aborts;
  }
}

// ---- Sending

/// A datagram goes where the address says that is in force behind the packets before it. A packet
/// that no call made may take it as soon as it is parked.
void ModelledServer::tell_of_datagram(CallUnderWay& call) {
  if (!is_udp(server_->protocol(call.id)) || std::exchange(call.told, true)) return;
  const std::string where = call.to != nullptr ? call.to->text() : destinations_[call.id];
  datagrams_.sent_by_us(call.id, meddled_ ? std::string() : where, *call.text);
}

/// Nothing that was accepted before may still be on its way.
void ModelledServer::about_to_write(CallUnderWay& call, SocketId id) {
  advance();
  SKYSOCK_CHECK(call.priority == Priority::high && tuning_.direct_write != 0);
  SKYSOCK_CHECK(server_->state(id) != State::free);
  SKYSOCK_CHECK(channel_.parked_bytes(id, keep_bytes(id)) == 0);
  if (!is_udp(server_->protocol(id))) SKYSOCK_CHECK(!silenced_.contains(id));
  call.place = channel_.conversation(id).high.size();
}

void ModelledServer::wrote_directly(CallUnderWay& call, SocketId id) {
  call.direct = true;
  accepted(id, call.text->size());
  if (is_udp(server_->protocol(id))) return tell_of_datagram(call);
  channel_.written_directly(static_cast<std::uint32_t>(id), *call.text, call.place);
}

void ModelledServer::overlapped_send(SocketId id, const std::string& text, const Endpoint* to,
                                     Priority priority) {
  CallUnderWay call{.text = &text, .to = to, .priority = priority, .id = id};
  call.packet = [&](SocketId, Token token) -> ControlPacket {
    if (to == nullptr) return SendPacket{.id = id, .payload = token, .priority = priority};
    const UdpAddress address = UdpAddress::from_endpoint(*to);
    return SendToPacket{.id = id, .payload = token, .address = address};
  };
  call.was_posted = [&] { tell_of_datagram(call); };
  const Overlapped overlapped(*this, call);
  const Result<SendOutcome> done = pass_on(id, text, to, priority);
  if (!done) return check_overlapped_refusal(call, id, done.error());
  SKYSOCK_CHECK(call.seen_open);
  const bool written = *done == SendOutcome::written;
  SKYSOCK_CHECK(written == (call.direct && !call.cut));
  if (written) ++written_;
  if (call.cut) ++cuts_;
  if (call.direct) return;
  ++queued_;
  finish(call);
}

/// A send is beyond its limit, and not to be accepted.
void ModelledServer::check_limit(const CallUnderWay& call, SocketId id) {
  // In the middle of a poll the models may not have heard of another limit.
  if (reactor_is_busy()) return;
  const Limit& limit = limit_of(id);
  if (call.seen_aborts) SKYSOCK_CHECK(call.closed == *call.seen_aborts);
  const Accepted& before = accepted_[id];
  const std::uint64_t kept = keep_bytes(id) * (before.sends + 1);
  SKYSOCK_CHECK(before.bytes + call.text->size() + kept > static_cast<std::uint64_t>(limit.bytes));
}

/// A send was refused: it had to be, when it looked or when its id was found to be gone.
void ModelledServer::check_overlapped_refusal(const CallUnderWay& call, SocketId id,
                                              std::error_code error) {
  SKYSOCK_CHECK(!call.posted && !call.direct);
  if (error == std::errc::no_buffer_space) {
    ++limited_;
    if (!call.closed) check_limit(call, id);
    return;
  }
  ++refused_;
  if (error != std::errc::bad_file_descriptor) return check_address_refusal(id, error);
  SKYSOCK_CHECK(!call.seen_open || server_->state(id) == State::free);
}

}  // namespace skysock::fuzz
