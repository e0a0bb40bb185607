// ModelledServer: sends, and what must follow from each. Those that stop in the middle are in
// modelled_server_threads.cpp.

#include "core/base/check.hpp"
#include "fuzz/modelled_server.hpp"

namespace skysock::fuzz {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

// ---- Sending

ModelledServer::Limit& ModelledServer::limit_of(SocketId id) {
  const Limit fresh{.bytes = tuning_.output_limit_bytes,
                    .aborts = tuning_.output_limit_policy == 1};
  return limits_.try_emplace(id, fresh).first->second;
}

/// What each send of `id` counts beside its bytes while it waits.
std::uint64_t ModelledServer::keep_bytes(SocketId id) const {
  return ServerModel::keep_bytes(is_udp(server_->protocol(id)));
}

/// `bytes` of a send count from now on.
/// Whether send() accepts output of `id` in `state`: where the table keeps it, and where a start is
/// on its way.
bool ModelledServer::accepts_sends(SocketId id, State state) const {
  return traits(state).send != SendMode::refused ||
         (state == State::paccept && starting_.contains(id));
}

void ModelledServer::accepted(SocketId id, std::size_t bytes) {
  accepted_[id].bytes += bytes;
  ++accepted_[id].sends;
  model_->sent(id, bytes);
}

/// A send was refused in `state`: it had to be.
void ModelledServer::check_refusal(SocketId id, std::size_t bytes, std::error_code error,
                                   State state) {
  if (error == std::errc::no_buffer_space) {
    ++limited_;
    const Limit& limit = limit_of(id);
    const auto limit_bytes = static_cast<std::uint64_t>(limit.bytes);
    const Accepted& before = accepted_[id];
    const std::uint64_t kept = keep_bytes(id) * (before.sends + 1);
    SKYSOCK_CHECK(before.bytes + bytes + kept > limit_bytes);
    if (limit.aborts) post(ClosePacket{.id = id, .mode = CloseMode::abortive});
    return;
  }
  ++refused_;
  if (error == std::errc::bad_file_descriptor) {
    SKYSOCK_CHECK(!accepts_sends(id, state));
    return;
  }
  check_address_refusal(id, error);
}

/// A send was refused because of where it should go: it had to be.
void ModelledServer::check_address_refusal(SocketId id, std::error_code error) {
  const bool datagrams = is_udp(server_->protocol(id));
  if (error == std::errc::destination_address_required) {
    SKYSOCK_CHECK(datagrams && (meddled_ || !destinations_.contains(id)));
  } else if (error == std::errc::operation_not_supported) {
    SKYSOCK_CHECK(!datagrams);
  } else {
    SKYSOCK_CHECK(datagrams && error == std::errc::address_family_not_supported);
  }
}

/// A send was accepted: `text` is the kernel's, a remainder's or the channel's now.
void ModelledServer::took(SocketId id, const std::string& text, const Endpoint* to,
                          Priority priority, SendOutcome outcome) {
  const auto bits = static_cast<std::uint32_t>(id);
  SKYSOCK_CHECK(!channel_.conversation(id).closed);
  SKYSOCK_CHECK(text.size() <= static_cast<std::size_t>(limit_of(id).bytes));
  accepted(id, text.size());
  const std::uint64_t cuts = server_->counts().direct_remainders;
  const bool cut = std::exchange(cuts_, cuts) != cuts;
  const bool datagram = is_udp(server_->protocol(id));
  if (datagram) {
    const std::string where = to != nullptr ? to->text() : destinations_[id];
    datagrams_.sent_by_us(id, meddled_ ? std::string() : where, text);
  }
  const bool written = outcome == SendOutcome::written;
  if (written) ++written_;
  if (written || cut) {
    SKYSOCK_CHECK(priority == Priority::high && tuning_.direct_write != 0);
    SKYSOCK_CHECK(channel_.parked_bytes(id, keep_bytes(id)) == 0);
    if (!datagram) channel_.written_directly(bits, text);
    if (cut) {
      ++remainders_[id];
      model_->arm_write_due(id);
      post(ArmWritePacket{.id = id});
    }
    return;
  }
  ++queued_;
  const Token token = channel_.park_payload(bits, text);
  if (to != nullptr) {
    post(SendToPacket{.id = id, .payload = token, .address = UdpAddress::from_endpoint(*to)});
  } else {
    post(SendPacket{.id = id, .payload = token, .priority = priority});
  }
}

Result<SendOutcome> ModelledServer::pass_on(SocketId id, const std::string& text,
                                            const Endpoint* to, Priority priority) {
  if (to != nullptr) {
    return server_->send_to(id, UdpAddress::from_endpoint(*to), payload(text));
  }
  // Both ways to hand a payload over.
  return text.size() % 2 == 0 ? server_->send(id, bytes_of(text), priority)
                              : server_->send(id, payload(text), priority);
}

void ModelledServer::send(SocketId id, const std::string& text, Priority priority) {
  if (threads_ != nullptr) return overlapped_send(id, text, nullptr, priority);
  const State state = server_->state(id);
  const auto done = pass_on(id, text, nullptr, priority);
  if (!done) return check_refusal(id, text.size(), done.error(), state);
  SKYSOCK_CHECK(accepts_sends(id, state));
  took(id, text, nullptr, priority, *done);
}

void ModelledServer::post_send(SocketId id, const std::string& text) {
  const Life* life = events_.find(id);
  // Without a destination no sender would have come so far.
  if (life == nullptr || (life->datagrams && !destinations_.contains(id))) return;
  SKYSOCK_CHECK(server_->post_send(id, payload(text)).has_value());
  if (threads_ != nullptr) advance();
  const Token token = channel_.park_payload(static_cast<std::uint32_t>(id), text);
  post(SendPacket{.id = id, .payload = token, .priority = Priority::high});
  accepted(id, text.size());
  if (life->datagrams)
    datagrams_.sent_by_us(id, meddled_ ? std::string() : destinations_[id], text);
}

void ModelledServer::send_to(SocketId id, const Endpoint& to, const std::string& text) {
  if (threads_ != nullptr) return overlapped_send(id, text, &to, Priority::high);
  const State state = server_->state(id);
  const auto done = pass_on(id, text, &to, Priority::high);
  if (!done) return check_refusal(id, text.size(), done.error(), state);
  SKYSOCK_CHECK(accepts_sends(id, state));
  took(id, text, &to, Priority::high, *done);
}

}  // namespace skysock::fuzz
