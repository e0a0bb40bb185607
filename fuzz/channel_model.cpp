#include "fuzz/channel_model.hpp"

#include <algorithm>

namespace skysock::fuzz {

void ChannelModel::feed(std::span<const std::byte> bytes) {
  stream_.insert(stream_.end(), bytes.begin(), bytes.end());
}

void ChannelModel::feed_local(const ControlPacket& packet) { local_.push_back(flatten(packet)); }

void ChannelModel::advance(std::uint64_t packets) {
  while (packets_ < packets && !local_.empty()) {
    take({std::nullopt, local_.front()});
    local_.pop_front();
  }
  std::span<const std::byte> rest = stream_;
  while (packets_ < packets) {
    SKYSOCK_CHECK(rest.size() >= 2);
    const std::size_t size = 2 + std::to_integer<std::size_t>(rest[1]);
    SKYSOCK_CHECK(rest.size() >= size);
    take(read_packet(rest.first(size)));
    rest = rest.subspan(size);
  }
  SKYSOCK_CHECK(packets_ == packets);
  stream_.erase(stream_.begin(), stream_.end() - static_cast<std::ptrdiff_t>(rest.size()));
}

std::size_t ChannelModel::missing() const {
  if (stream_.empty()) return 0;
  if (stream_.size() == 1) return 1;
  const std::size_t size = 2 + std::to_integer<std::size_t>(stream_[1]);
  return size - std::min(size, stream_.size());
}

void ChannelModel::take(const Reading& reading) {
  ++packets_;
  if (reading.error) {
    ++decode_errors_;
    return;
  }
  const FlatPacket& packet = reading.packet;
  ++by_letter_[static_cast<unsigned char>(packet.type)];
  log_.push_back({packet, std::nullopt});
  switch (packet.type) {
    case 'S':
      if (known_.contains(packet.id)) conversations_[packet.id].started = true;
      return;
    case 'X':
      exit_sent_ = true;
      return;
    case 'D':
    case 'P':
    case 'A':
      return take_send(packet);
    case 'H':
      return take_given(packet);
    case 'L':
    case 'B':
    case 'U':
    case 'N':
      return take_fd(packet);
    case 'O':
      if (known_.contains(packet.id)) ports_[packet.port].insert(packet.id);
      return;
    case 'K':
      if (!known_.contains(packet.id)) return;
      conversations_[packet.id].closed = true;
      if ((packet.flags & 1) != 0) conversations_[packet.id].aborted = true;
      return;
    default:
      return;
  }
}

/// Only the packet that names a payload's own id can take it.
void ChannelModel::take_send(const FlatPacket& packet) {
  const Payload* parked = payloads_.find(packet.token);
  if (parked == nullptr || parked->id != packet.id) {
    ++stale_tokens_;
    return;
  }
  std::string text = payloads_.take(packet.token).text;
  log_.back().payload_bytes = text.size();
  Conversation& conversation = conversations_[packet.id];
  if (!conversation.started || conversation.closed || packet.type == 'A') return;
  (packet.type == 'D' ? conversation.high : conversation.low).push_back(std::move(text));
}

void ChannelModel::take_given(const FlatPacket& packet) {
  constexpr std::uint8_t kGiveBack = 2;
  if (packet.flags != kGiveBack) return;
  const Payload* parked = payloads_.find(packet.token);
  if (parked == nullptr || parked->id != 0) {
    ++stale_tokens_;
    return;
  }
  payloads_.take(packet.token);
}

void ChannelModel::take_fd(const FlatPacket& packet) {
  const Fd* parked = fds_.find(packet.token);
  const char letter = packet.type == 'N' ? 'U' : packet.type;
  if (parked == nullptr || parked->id != packet.id || parked->letter != letter) {
    ++stale_tokens_;
    return;
  }
  fds_.take(packet.token);
}

std::uint32_t ChannelModel::id_of_port(std::uint16_t port) const {
  const auto found = ports_.find(port);
  return found == ports_.end() || found->second.size() != 1 ? 0 : *found->second.begin();
}

std::uint64_t ChannelModel::parked_bytes(SocketId id, std::uint64_t keep_bytes) const {
  std::uint64_t bytes = 0;
  for (const auto& [token, payload] : payloads_.all()) {
    if (payload.id == static_cast<std::uint32_t>(id)) bytes += payload.text.size() + keep_bytes;
  }
  return bytes;
}

std::size_t ChannelModel::fds_parked(char letter) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      fds_.all(), [letter](const auto& entry) { return entry.second.letter == letter; }));
}

}  // namespace skysock::fuzz
