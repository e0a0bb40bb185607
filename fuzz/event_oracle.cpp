#include "fuzz/event_oracle.hpp"

#include <algorithm>
#include <string_view>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock::fuzz {
namespace {

/// An answer goes to a requester and says nothing about the id's life.
bool is_answer(const Event& event) {
  if (event.kind == EventKind::close) return event.ud == 1;
  const std::string_view text = event.data.text();
  return event.kind == EventKind::error && (text == "invalid socket" || text == "socket closed" ||
                                            text == "socket is being handed over");
}

}  // namespace

void EventOracle::id_issued(SocketId id, bool datagrams) {
  SKYSOCK_CHECK(id > 0);
  const auto [entry, fresh] = lives_.try_emplace(id);
  SKYSOCK_CHECK(fresh);
  entry->second.usable = entry->second.datagrams = datagrams;
}

void EventOracle::take(const Event& event, bool refused) {
  mix(event);
  if (event.kind == EventKind::close && !refused) heard_close_.insert({event.to, event.id});
  if (is_answer(event)) return;
  const auto found = lives_.find(event.id);
  SKYSOCK_CHECK(found != lives_.end());
  Life& life = found->second;
  SKYSOCK_CHECK(!life.failed);
  // The step that found the owner gone may say more, to the same deaf ears.
  SKYSOCK_CHECK(!life.orphaned || refused);
  switch (event.kind) {
    case EventKind::open:
      take_open(life, event.data.text());
      break;
    case EventKind::accept:
      take_accept(event, life, refused);
      break;
    case EventKind::data:
    case EventKind::udp:
      take_data(life, event);
      break;
    case EventKind::error:
      take_error(life);
      break;
    case EventKind::close:
      SKYSOCK_CHECK(event.ud == 0);
      SKYSOCK_CHECK(!life.closed);
      life.closed = true;
      life.handing = false;
      break;
    case EventKind::warning:
      take_warning(life, event.ud);
      break;
    case EventKind::handover:
      take_handover(life);
      break;
  }
  if (refused) life.orphaned = true;
}

void EventOracle::owner_changed(SocketId id) {
  if (const auto found = lives_.find(id); found != lives_.end()) found->second.orphaned = false;
}

void EventOracle::output_dropped(SocketId id) {
  const auto found = lives_.find(id);
  if (found == lives_.end()) return;
  found->second.warned_kib = 0;
  found->second.warn_at_kib = kFirstWarningKib;
}

void EventOracle::take_open(Life& life, std::string_view text) {
  SKYSOCK_CHECK(!life.closed);
  const bool again = text == "start" || text == "transfer";
  SKYSOCK_CHECK(life.usable == again);
  life.usable = true;
  life.handing = false;
  // The old owner had heard it; now the next one hears it first.
  SKYSOCK_CHECK(life.redelivery.empty());
  SKYSOCK_CHECK(life.data.ends_with(life.kept));
  life.data.resize(life.data.size() - life.kept.size());
  life.redelivery = std::exchange(life.kept, {});
}

void EventOracle::take_accept(const Event& event, Life& listener, bool refused) {
  SKYSOCK_CHECK(listener.usable && !listener.closed);
  const auto id = static_cast<SocketId>(event.ud);
  id_issued(id);
  lives_[id].usable = true;
  lives_[id].orphaned = refused;
  accepted_[std::string(event.data.text())] = id;
}

void EventOracle::take_data(Life& life, const Event& event) {
  SKYSOCK_CHECK(life.usable && !life.closed && !life.handing);
  SKYSOCK_CHECK(life.datagrams == (event.kind == EventKind::udp));
  if (life.datagrams) return;
  const std::string_view text = event.data.text();
  SKYSOCK_CHECK(!text.empty() && static_cast<std::int64_t>(text.size()) == event.ud);
  const std::size_t again = std::min(text.size(), life.redelivery.size());
  SKYSOCK_CHECK(text.starts_with(life.redelivery.substr(0, again)));
  life.redelivery.erase(0, again);
  life.data += text;
}

void EventOracle::take_error(Life& life) {
  ++life.errors;
  if (life.closed) {
    // Only the write error of a half-closed connection, which ends it.
    ++life.errors_after_close;
    SKYSOCK_CHECK(life.errors_after_close == 1);
  } else if (!life.usable) {
    life.failed = true;
  }
}

/// At 1, 2, 4, ... MiB; 0 once when all is sent, and only after one of those.
void EventOracle::take_warning(Life& life, std::int64_t kib) {
  if (kib == 0) {
    SKYSOCK_CHECK(life.warned_kib > 0);
    life.warned_kib = 0;
    life.warn_at_kib = kFirstWarningKib;
    return;
  }
  SKYSOCK_CHECK(kib >= life.warn_at_kib);
  life.warned_kib = kib;
  life.warn_at_kib *= 2;
}

void EventOracle::take_handover(Life& life) {
  SKYSOCK_CHECK(life.usable && !life.handing);
  life.handing = true;
  // The next owner will hear of the peer's FIN anew.
  life.closed = false;
}

void EventOracle::mix(const Event& event) {
  ++events_;
  const auto add = [this](std::uint64_t value) { trace_ = mix64(trace_ ^ value); };
  add(static_cast<std::uint64_t>(event.kind));
  add(static_cast<std::uint64_t>(event.id));
  add(event.to);
  add(static_cast<std::uint64_t>(event.ud));
  for (const char one : event.data.text()) add(static_cast<unsigned char>(one));
}

const Life* EventOracle::find(SocketId id) const {
  const auto found = lives_.find(id);
  return found == lives_.end() ? nullptr : &found->second;
}

}  // namespace skysock::fuzz
