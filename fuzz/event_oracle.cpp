#include "fuzz/event_oracle.hpp"

#include <string_view>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock::fuzz {
namespace {

/// An answer goes to a requester and says nothing about the id's life.
bool is_answer(const Event& event) {
  if (event.kind == EventKind::close) return event.ud == 1;
  const std::string_view text = event.data.text();
  return event.kind == EventKind::error && (text == "invalid socket" || text == "socket closed");
}

}  // namespace

void EventOracle::id_issued(SocketId id) {
  SKYSOCK_CHECK(id > 0);
  const bool fresh = lives_.try_emplace(id).second;
  SKYSOCK_CHECK(fresh);
}

void EventOracle::take(const Event& event, bool refused) {
  mix(event);
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
      SKYSOCK_CHECK(life.usable && !life.closed);
      SKYSOCK_CHECK(!event.data.empty());
      SKYSOCK_CHECK(static_cast<std::int64_t>(event.data.size()) == event.ud);
      life.data += event.data.text();
      break;
    case EventKind::error:
      take_error(life);
      break;
    case EventKind::close:
      SKYSOCK_CHECK(event.ud == 0);
      SKYSOCK_CHECK(!life.closed);
      life.closed = true;
      break;
  }
  if (refused) life.orphaned = true;
}

void EventOracle::take_open(Life& life, std::string_view text) {
  SKYSOCK_CHECK(!life.closed);
  const bool again = text == "start" || text == "transfer";
  SKYSOCK_CHECK(life.usable == again);
  life.usable = true;
}

void EventOracle::take_accept(const Event& event, Life& listener, bool refused) {
  SKYSOCK_CHECK(listener.usable && !listener.closed);
  const auto id = static_cast<SocketId>(event.ud);
  id_issued(id);
  lives_[id].usable = true;
  lives_[id].orphaned = refused;
  accepted_[std::string(event.data.text())] = id;
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
