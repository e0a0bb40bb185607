// StreamWorld: services on the reactor's thread, which answer what they hear between two events.

#include <algorithm>

#include "fuzz/stream_hosts.hpp"
#include "fuzz/stream_world.hpp"

namespace skysock::fuzz {
namespace {

/// Answered in one round of services; the rest waits for the next.
constexpr std::size_t kAnswersMax = 3;

}  // namespace

void StreamWorld::answer(const Event& event) {
  if (!options_.services) return;
  heard_.push_back({.kind = event.kind, .id = event.id, .to = event.to, .ud = event.ud});
}

void StreamWorld::run_services() {
  const std::size_t count = std::min(heard_.size(), kAnswersMax);
  for (std::size_t at = 0; at < count; ++at) {
    const Event& event = heard_[at];
    switch (event.kind) {
      case EventKind::accept:
        server_.start(event.to, static_cast<SocketId>(event.ud));
        break;
      case EventKind::data:
        answer_data(event);
        break;
      case EventKind::udp:
        if (const auto text = message(static_cast<std::size_t>(event.ud))) {
          server_.send_to(event.id, endpoint(kUdpHost, kUdpPort), *text);
        }
        break;
      case EventKind::handover:
        server_.give_back(event.to, event.id, 5);
        server_.hand_over_done(event.to, event.id);
        break;
      case EventKind::close:
        answer_close(event);
        break;
      case EventKind::open:
      case EventKind::error:
      case EventKind::warning:
        break;
    }
  }
  heard_.erase(heard_.begin(), heard_.begin() + static_cast<std::ptrdiff_t>(count));
}

void StreamWorld::answer_data(const Event& event) {
  const Habit& habit = habits_[event.to];
  if (habit.closes) {
    const SocketId victim = id_at(habit.victim);
    return server_.close(event.to, victim, CloseMode::abortive, CloseAnswer::not_needed);
  }
  send(event.id, 1 + static_cast<std::size_t>(event.ud) % 40, Priority::high);
}

/// Whoever connects here takes the place of the socket that just ended while events of that one may
/// still be under way.
void StreamWorld::answer_close(const Event& event) {
  if (habits_[event.to].connects) {
    const std::uint16_t port = next_port_++;
    kernel_.set_remote(endpoint(kRemoteHost, port), RemoteAnswer::ignore);
    server_.open(event.to, kRemoteHost, port);
  }
  server_.close(event.to, event.id, CloseMode::soft, CloseAnswer::not_needed);
}

void StreamWorld::op_habit() {
  const ServiceHandle service = pick_service();
  const std::uint8_t does = input_.byte();
  habits_[service] = {
      .closes = (does & 1) != 0, .victim = input_.byte(), .connects = (does & 2) != 0};
}

}  // namespace skysock::fuzz
