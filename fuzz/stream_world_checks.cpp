// StreamWorld: what must hold at the end of an input.

#include <algorithm>
#include <string_view>

#include "core/base/check.hpp"
#include "fuzz/stream_hosts.hpp"
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

bool reads(State state) { return state == State::connected || state == State::halfclose_read; }

/// Its create command was lost: nothing can leave.
bool waits_for_its_descriptor(State state) {
  return state == State::reserved || state == State::reserved_draining;
}

}  // namespace

void StreamWorld::finish() {
  settle();
  while (server_.channel().missing() > 0) {
    write_raw(std::vector<std::byte>(server_.channel().missing()));
    settle();
  }
  server_.ask_netstat();
  poll(0);
  for (const Peer& peer : peers_) check_peer(peer);
  for (const Lent& lent : lent_) check_lent(lent);
  check_datagrams();
  // A server that nobody talks to rests, whatever its sockets have been through.
  poll_until_idle();
  close_everything();
  poll_until_idle();
  server_.check_end();
  const ChannelModel& channel = server_.channel();
  // A descriptor whose packet was lost stays parked; a lent one stays ours.
  const std::size_t parked = channel.fds_parked('L') + channel.fds_parked('U');
  const std::size_t open = kernel_.open_fds() - parked - lent_.size();
  SKYSOCK_CHECK(open == base_fds_ || (open == base_fds_ - 1 && spare_faults_ > 0));
}

/// Lets everything under way arrive without letting time pass.
void StreamWorld::settle() {
  int quiet = 0;
  for (int round = 0; quiet < kQuietRounds + wait_faults_ + send_limits_; ++round) {
    SKYSOCK_CHECK(round < kRoundsMax);
    const std::size_t events = server_.events().events();
    const std::uint64_t steps = server_.steps().total();
    const std::uint64_t written = kernel_.socket_traffic().sent_bytes;
    poll(0);
    const bool moved = peers_read() || !server_.channel().all_consumed() ||
                       events != server_.events().events() || steps != server_.steps().total() ||
                       written != kernel_.socket_traffic().sent_bytes;
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
  for (Lent& lent : lent_) {
    if (!lent.far || lent.far_writes) continue;
    const std::string bytes = lent.far->read();
    any = any || !bytes.empty();
    lent.received += bytes;
  }
  return any;
}

/// By what an owner can do, for every id that was ever handed out.
void StreamWorld::close_everything() {
  habits_.clear();  // No service connects anew.
  const std::vector<SocketId> ids = server_.ids();
  for (std::size_t at = 0; at < ids.size(); ++at) {
    server_.close(1, ids[at], CloseMode::abortive, CloseAnswer::not_needed);
    if (at % 32 == 31) poll(0);  // The ring holds no more.
  }
}

/// The id at our end of the peer's connection; 0 when that cannot be told.
SocketId StreamWorld::id_of(const Peer& peer) {
  if (peer.id != 0) return peer.id;
  if (peer.port != 0) return static_cast<SocketId>(server_.channel().id_of_port(peer.port));
  const auto& accepted = server_.events().accepted();
  const auto found = accepted.find(peer.name);
  return found == accepted.end() ? 0 : found->second;
}

void StreamWorld::check_peer(const Peer& peer) {
  const SocketId id = id_of(peer);
  const Life* life = server_.events().find(id);
  if (life == nullptr) return;
  // What raw packets give back is not what was heard.
  if (!server_.meddled()) SKYSOCK_CHECK(peer.sent.starts_with(life->data));
  const Conversation& conversation = server_.channel().conversation(id);
  const std::size_t complete = match_messages(peer.received, conversation);
  check_nothing_lost(peer, id, complete == conversation.high.size() + conversation.low.size());
}

/// In a world without faults, resets, abortive closes or time-outs every byte arrives.
void StreamWorld::check_nothing_lost(const Peer& peer, SocketId id, bool all_output_arrived) {
  const Life& life = *server_.events().find(id);
  const Conversation& conversation = server_.channel().conversation(id);
  if (!calm() || !peer.open || life.orphaned || conversation.aborted) return;
  if (waits_for_its_descriptor(server_.state(id))) return;
  // A packet that says that there is a remainder, or a lock free again, may have been lost.
  const bool told = server_.counts().direct_remainders > 0 || server_.told_of_locks();
  if (server_.meddled() && told) return;
  if (reads(server_.state(id)) && !server_.meddled()) SKYSOCK_CHECK(life.data == peer.sent);
  const Tuning& tuning = options_.tuning;
  const bool lingers = tuning.linger_ms > 0 && tuning.linger_sockets >= tuning.slots;
  // A close that does not wait for the peer resets what the peer still sends; and nobody waits for
  // the peer of a borrowed connection.
  if (!conversation.closed || lingers || peer.sent.empty()) SKYSOCK_CHECK(all_output_arrived);
}

void StreamWorld::check_lent(const Lent& lent) {
  const Life* life = server_.events().find(lent.id);
  if (life == nullptr || lent.file) return;
  const Conversation& conversation = server_.channel().conversation(lent.id);
  const bool pipe_reader = lent.far_writes;
  if (pipe_reader && !server_.meddled()) SKYSOCK_CHECK(lent.sent.starts_with(life->data));
  if (pipe_reader || !lent.far) return;
  const std::size_t complete = match_messages(lent.received, conversation);
  if (!calm() || life->orphaned || conversation.aborted) return;
  if (waits_for_its_descriptor(server_.state(lent.id))) return;
  SKYSOCK_CHECK(complete == conversation.high.size() + conversation.low.size());
}

/// Without faults, what was accepted for a peer that is there has arrived, and what peers sent to a
/// socket that reads was heard of.
void StreamWorld::check_datagrams() {
  if (!calm()) return;
  for (const SocketId id : server_.ids()) {
    const bool hears = server_.state(id) == State::udp && !server_.events().find(id)->orphaned;
    if (hears) SKYSOCK_CHECK(server_.datagrams().under_way_to(id) == 0);
  }
}

/// They were never the server's: still open, and as they were.
void StreamWorld::give_up_lent() {
  for (const Lent& lent : lent_) {
    if (!disturbed_) SKYSOCK_CHECK(!kernel_.is_nonblocking(lent.fd));
    kernel_.close(lent.fd);
  }
}

}  // namespace skysock::fuzz
