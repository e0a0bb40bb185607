// ModelledServer: netstat against the models, and what must hold at the end.

#include <algorithm>

#include "core/base/check.hpp"
#include "fuzz/modelled_server.hpp"

namespace skysock::fuzz {
namespace {

/// Nothing was dropped yet on the way out of an id in such a state, if nothing failed.
bool keeps_output(State state) {
  switch (state) {
    case State::reserved:
    case State::resolving:
    case State::resolving_held:
    case State::connecting:
    case State::connecting_held:
    case State::connected:
    case State::connected_held:
    case State::halfclose_read:
    case State::udp:
    case State::udp_held:
      return true;
    default:
      return false;
  }
}

bool is_listener(State state) {
  return state == State::plisten || state == State::listening || state == State::listening_held ||
         state == State::accept_paused;
}

}  // namespace

/// The OPEN of a connect names who answered, and nobody is named who did not.
void ModelledServer::check_open(const Event& event) {
  if (!connects_.contains(event.id) || !event.data.empty()) return;
  const auto& faults = kernel_.faults_met();
  SKYSOCK_CHECK(std::ranges::any_of(
      faults, [](const auto& fault) { return fault.first == Call::peer_endpoint; }));
}

/// A payload that counts itself: whoever has it at the end frees it, once.
Block ModelledServer::payload(const std::string& text) {
  struct Counted {
    std::string text;
    std::size_t* alive;
  };
  auto* counted = new Counted{text, &payloads_};
  ++payloads_;
  const std::span<char> chars = counted->text;
  return Block::adopt(std::as_writable_bytes(chars), counted, [](void* object) {
    const std::unique_ptr<Counted> ended(static_cast<Counted*>(object));
    --*ended->alive;
  });
}

/// What became of each send, as its callers were told.
void ModelledServer::check_sends(const SocketServerCounts& counts) {
  SKYSOCK_CHECK(counts.direct_writes == written_);
  SKYSOCK_CHECK(counts.direct_remainders == cuts_);
  SKYSOCK_CHECK(counts.queued_sends == queued_);
  SKYSOCK_CHECK(counts.refused_sends == refused_);
  SKYSOCK_CHECK(counts.limited_sends == limited_);
}

void ModelledServer::check_netstat(const std::vector<SocketInfo>& all) {
  // An id that waits for its create command may have had no step.
  const auto stepless = std::ranges::count_if(all, [this](const SocketInfo& info) {
    return info.state == State::reserved && steps_.state(info.id) == State::free;
  });
  SKYSOCK_CHECK(all.size() == steps_.alive() + static_cast<std::size_t>(stepless));
  for (const SocketInfo& info : all) check_info(info);
}

void ModelledServer::check_info(const SocketInfo& info) {
  const Life* life = events_.find(info.id);
  SKYSOCK_CHECK(life != nullptr);
  SKYSOCK_CHECK(info.state == server_->state(info.id));
  if (steps_.state(info.id) != State::free) {
    SKYSOCK_CHECK(info.state == steps_.state(info.id) && info.owner == steps_.owner(info.id));
  } else {
    SKYSOCK_CHECK(info.state == State::reserved);
  }
  SKYSOCK_CHECK(is_udp(info.protocol) == life->datagrams);
  const std::uint64_t keep = keep_bytes(info.id);
  const std::uint64_t parked = channel_.parked_bytes(info.id, keep);
  model_->check_flags(info, parked);
  SKYSOCK_CHECK(info.queued_bytes >= parked);
  const bool queues = keeps_output(info.state) || traits(info.state).flushes ||
                      info.state == State::reserved_draining ||
                      info.state == State::resolving_draining ||
                      info.state == State::connecting_draining;
  if (!queues) SKYSOCK_CHECK(info.queued_bytes == parked);
  // Whoever queues much is told so, once the reactor knows of it.
  constexpr std::uint64_t kWarned = std::uint64_t{1} << 20U;
  const bool warned =
      life->warned_kib > 0 || life->orphaned || meddled_ || remainders_[info.id] > 0;
  if (info.queued_bytes - parked >= kWarned) SKYSOCK_CHECK(warned);
  const bool sure = life->errors == 0 && !meddled_ && !channel_.conversation(info.id).closed &&
                    !dropped_.contains(info.id);
  if (sure && keeps_output(info.state)) {
    const Accepted& accepted = accepted_[info.id];
    const std::uint64_t kept = info.written_bytes + info.queued_bytes - accepted.bytes;
    SKYSOCK_CHECK(kept <= keep * accepted.sends);
    SKYSOCK_CHECK(keep == 0 || kept % keep == 0);
  }
  const bool reads = info.state == State::connected || info.state == State::connected_held ||
                     info.state == State::halfclose_read;
  if (reads && !life->orphaned && !meddled_) SKYSOCK_CHECK(info.read_bytes == life->data.size());
  if (is_listener(info.state)) SKYSOCK_CHECK(info.read_bytes <= server_->counts().accepts);
}

void ModelledServer::check_end() {
  for (const auto& [id, life] : events_.lives()) {
    SKYSOCK_CHECK(life.over());
    SKYSOCK_CHECK(server_->state(id) == State::free);
    // An id that never got its create command has no steps.
    SKYSOCK_CHECK(steps_.state(id) == State::free);
  }
  // Nobody waits for ever.
  for (const auto& [service, id] : events_.waiting()) {
    const bool other = dead_.contains(service) || model_->usurped(id);
    SKYSOCK_CHECK(other || events_.was_answered(service, id));
  }
  SKYSOCK_CHECK(server_->counts().packets == channel_.packets());
  SKYSOCK_CHECK(server_->counts().slots_used == 0);
}

}  // namespace skysock::fuzz
