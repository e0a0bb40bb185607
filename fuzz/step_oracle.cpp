#include "fuzz/step_oracle.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace skysock::fuzz {
namespace {

/// One counter per rule: libFuzzer takes a new one as a reason to keep the input.
[[gnu::section("__libfuzzer_extra_counters"), gnu::used]]
std::uint8_t rules_taken[kStateCount * kInputCount];

bool is_halfclose_write(State state) {
  return state == State::halfclose_write || state == State::halfclose_write_held;
}

}  // namespace

void StepOracle::take(const Step& step, bool issued) {
  const Rule& rule = step.rule;
  SKYSOCK_CHECK(due_.empty());
  const Rule* known = find_rule(rule.from, rule.input);
  SKYSOCK_CHECK(known != nullptr && known->to == rule.to && known->emit == rule.emit);
  SKYSOCK_CHECK(known->act == rule.act);
  const auto at = static_cast<std::size_t>(rule.from) * kInputCount;
  rules_taken[at + static_cast<std::size_t>(rule.input)] = 1;
  ++steps_[static_cast<std::size_t>(rule.input)];
  ++total_;
  const auto found = last_.find(step.id);
  if (found == last_.end()) {
    SKYSOCK_CHECK(rule.from == State::free || (rule.from == State::reserved && issued));
  } else {
    SKYSOCK_CHECK(found->second.state == rule.from);
  }
  // A failed write is never silent.
  const bool write_ends = is_halfclose_write(rule.to) && !is_halfclose_write(rule.from);
  if (write_ends) SKYSOCK_CHECK(rule.emit == Emit::error);
  announce(step);
  if (rule.from != State::free) last_[step.id] = {.state = rule.to, .owner = step.owner};
}

void StepOracle::announce(const Step& step) {
  const auto due = [&](EventKind kind, ServiceHandle to) { due_.push_back({kind, step.id, to}); };
  switch (step.rule.emit) {
    case Emit::nothing:
      return;
    case Emit::open:
    case Emit::open_start:
    case Emit::open_transfer:
      return due(EventKind::open, step.owner);
    case Emit::accept:
      return due(EventKind::accept, step.owner);
    case Emit::data:
      return due(EventKind::data, step.owner);
    case Emit::udp:
      return due(EventKind::udp, step.owner);
    case Emit::handover:
      return due(EventKind::handover, step.owner);
    case Emit::close:
      return due(EventKind::close, step.owner);
    case Emit::error:
      return due(EventKind::error, step.owner);
    case Emit::error_then_close:
      due(EventKind::error, step.owner);
      return due(EventKind::close, step.owner);
    case Emit::error_invalid:
    case Emit::error_closed:
    case Emit::error_busy:
      return due(EventKind::error, 0);
  }
}

bool StepOracle::take(const Event& event, bool refused) {
  if (event.kind == EventKind::accept) {
    last_[static_cast<SocketId>(event.ud)] = {.state = State::paccept, .owner = event.to};
  }
  if (due_.empty()) {
    const bool answer = event.kind == EventKind::close && event.ud == 1;
    if (answer) return false;
    SKYSOCK_CHECK(event.kind == EventKind::warning || event.kind == EventKind::data);
    SKYSOCK_CHECK(event.to == owner(event.id));
    return false;
  }
  const Due next = due_.front();
  due_.pop_front();
  SKYSOCK_CHECK(next.kind == event.kind && next.id == event.id);
  SKYSOCK_CHECK(next.to == 0 || next.to == event.to);
  // Nobody is told more who is not there.
  if (refused) due_.clear();
  return true;
}

State StepOracle::state(SocketId id) const {
  const auto found = last_.find(id);
  return found == last_.end() ? State::free : found->second.state;
}

ServiceHandle StepOracle::owner(SocketId id) const {
  const auto found = last_.find(id);
  return found == last_.end() ? 0 : found->second.owner;
}

std::size_t StepOracle::alive() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      last_, [](const auto& entry) { return entry.second.state != State::free; }));
}

}  // namespace skysock::fuzz
