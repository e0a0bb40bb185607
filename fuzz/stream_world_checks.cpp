// StreamWorld: what must hold at the end of an input.

#include <algorithm>
#include <string_view>

#include "core/base/check.hpp"
#include "fuzz/stream_world.hpp"

namespace skysock::fuzz {
namespace {

/// The longest legal way to rest is one byte per round.
constexpr int kRoundsMax = 20'000;
constexpr int kQuietRounds = 3;

/// Whether `received` is whole messages of the two lists, each list in order, the last perhaps cut:
/// nothing lost, doubled, torn or put into the middle of another. Returns how many are complete.
std::size_t match_messages(std::string_view received, const Conversation& conversation) {
  std::size_t high = 0;
  std::size_t low = 0;
  const auto next_is = [&](const std::vector<std::string>& list, std::size_t at) {
    if (at == list.size()) return false;
    return received.starts_with(list[at]) || std::string_view(list[at]).starts_with(received);
  };
  while (!received.empty()) {
    const bool from_high = next_is(conversation.high, high);
    SKYSOCK_CHECK(from_high || next_is(conversation.low, low));
    const std::string& message = from_high ? conversation.high[high] : conversation.low[low];
    if (received.size() < message.size()) break;
    received.remove_prefix(message.size());
    ++(from_high ? high : low);
  }
  return high + low;
}

}  // namespace

void StreamWorld::finish() {
  settle();
  while (channel_.missing() > 0) {
    write_raw(std::vector<std::byte>(channel_.missing()));
    settle();
  }
  for (const Peer& peer : peers_) check_peer(peer);
  // A server that nobody talks to rests, whatever its sockets have been through.
  poll_until_idle();
  close_everything();
  poll_until_idle();
  check_accounts();
}

/// Lets everything under way arrive without letting time pass.
void StreamWorld::settle() {
  int quiet = 0;
  for (int round = 0; quiet < kQuietRounds + wait_faults_ + send_limits_; ++round) {
    SKYSOCK_CHECK(round < kRoundsMax);
    const std::size_t events = oracle_.events();
    const std::uint64_t written = server_->counts().bytes_written;
    poll(0);
    const bool moved = peers_read() || !channel_.all_consumed() || events != oracle_.events() ||
                       written != server_->counts().bytes_written;
    quiet = moved ? 0 : quiet + 1;
  }
}

bool StreamWorld::peers_read() {
  bool any = false;
  for (Peer& peer : peers_) {
    if (!peer.open) continue;
    const std::string bytes = peer.end.read();
    any = any || !bytes.empty();
    peer.received += bytes;
  }
  return any;
}

/// The id at our end of the peer's connection; 0 when that cannot be told.
SocketId StreamWorld::id_of(const Peer& peer) const {
  if (peer.port != 0) return static_cast<SocketId>(channel_.id_of_port(peer.port));
  const auto found = oracle_.accepted().find(peer.name);
  return found == oracle_.accepted().end() ? 0 : found->second;
}

void StreamWorld::check_peer(const Peer& peer) {
  const SocketId id = id_of(peer);
  const Life* life = oracle_.find(id);
  if (life == nullptr) return;
  SKYSOCK_CHECK(peer.sent.starts_with(life->data));
  const Conversation& conversation = channel_.conversation(static_cast<std::uint32_t>(id));
  if (conversation.unsure) return;
  const std::size_t complete = match_messages(peer.received, conversation);
  check_nothing_lost(peer, id, complete == conversation.high.size() + conversation.low.size());
}

/// In a world without faults, resets, abortive closes or time-outs every byte arrives.
void StreamWorld::check_nothing_lost(const Peer& peer, SocketId id, bool all_output_arrived) {
  const Life& life = *oracle_.find(id);
  const Conversation& conversation = channel_.conversation(static_cast<std::uint32_t>(id));
  if (!calm() || !peer.open || life.orphaned || conversation.aborted) return;
  const State state = server_->state(id);
  const bool reads = state == State::connected || state == State::halfclose_read;
  if (reads) SKYSOCK_CHECK(life.data == peer.sent);
  // A close that does not wait for the peer resets what the peer still sends.
  if (!conversation.closed || lingers_ || peer.sent.empty()) SKYSOCK_CHECK(all_output_arrived);
}

void StreamWorld::check_accounts() {
  for (const auto& [id, life] : oracle_.lives()) {
    SKYSOCK_CHECK(life.over());
    SKYSOCK_CHECK(server_->state(id) == State::free);
  }
  const SocketServerCounts counts = server_->counts();
  SKYSOCK_CHECK(counts.packets == channel_.packets());
  SKYSOCK_CHECK(counts.decode_errors == channel_.decode_errors());
  SKYSOCK_CHECK(counts.stale_tokens == channel_.stale_tokens());
  SKYSOCK_CHECK(counts.payloads_parked == channel_.payloads_parked());
  SKYSOCK_CHECK(counts.slots_used == 0);
  // Pipe and epoll; a descriptor whose packet was lost stays parked.
  const std::size_t open = kernel_.open_fds() - channel_.fds_parked();
  const bool spare_is_held = open == 4;
  SKYSOCK_CHECK(spare_is_held || (open == 3 && spare_faults_ > 0));
}

}  // namespace skysock::fuzz
