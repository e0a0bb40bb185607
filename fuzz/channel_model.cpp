#include "fuzz/channel_model.hpp"

#include <utility>

namespace skysock::fuzz {

void ChannelModel::feed(std::span<const std::byte> bytes) {
  unread_.insert(unread_.end(), bytes.begin(), bytes.end());
}

void ChannelModel::consume() {
  for (const std::byte one : unread_) {
    held_.push_back(one);
    if (missing() != 0) continue;
    take(held_);
    held_.clear();
  }
  unread_.clear();
}

std::size_t ChannelModel::missing() const {
  if (held_.empty()) return 0;
  if (held_.size() == 1) return 1;
  return 2 + std::to_integer<std::size_t>(held_[1]) - held_.size();
}

void ChannelModel::take(std::span<const std::byte> bytes) {
  ++packets_;
  const Reading reading = read_packet(bytes);
  if (reading.error) {
    ++decode_errors_;
    return;
  }
  const FlatPacket& packet = reading.packet;
  if (packet.type == 'X') {
    exit_sent_ = true;
    return;
  }
  Conversation& conversation = conversations_[packet.id];
  if (packet.type == 'D' || packet.type == 'P') take_send(packet, conversation);
  if (packet.type == 'L' && fds_.erase(packet.token) == 0) ++stale_tokens_;
  if (!known_.contains(packet.id)) return;
  if (packet.type == 'O') ports_[packet.port].insert(packet.id);
  if (packet.type == 'K') {
    conversation.closed = true;
    conversation.aborted = conversation.aborted || (packet.flags & 1) != 0;
  }
}

void ChannelModel::take_send(const FlatPacket& packet, Conversation& conversation) {
  const auto parked = payloads_.find(packet.token);
  if (parked == payloads_.end()) {
    ++stale_tokens_;
    return;
  }
  auto [id, payload] = std::move(parked->second);
  payloads_.erase(parked);
  if (conversation.closed || !known_.contains(packet.id)) return;
  conversation.unsure = conversation.unsure || id != packet.id;
  (packet.type == 'D' ? conversation.high : conversation.low).push_back(std::move(payload));
}

std::uint32_t ChannelModel::id_of_port(std::uint16_t port) const {
  const auto found = ports_.find(port);
  return found == ports_.end() || found->second.size() != 1 ? 0 : *found->second.begin();
}

}  // namespace skysock::fuzz
