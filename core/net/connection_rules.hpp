#pragma once

#include <algorithm>
#include <array>

#include "core/net/connection_state.hpp"

// The rules and their compile-time proofs.

namespace skysock {

inline constexpr std::array kTraits = {
    StateTraits{.state = State::free, .name = "free"},
    StateTraits{.state = State::reserved, .name = "reserved", .sendable = true, .close_due = true},
    StateTraits{.state = State::reserved_draining,
                .name = "reserved_draining",
                .close_due = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::plisten, .name = "plisten", .close_due = true},
    StateTraits{
        .state = State::listening, .name = "listening", .watch = Watch::accept, .close_due = true},
    StateTraits{.state = State::accept_paused,
                .name = "accept_paused",
                .watch = Watch::hang_up,
                .close_due = true,
                .deadline = Deadline::accept_retry},
    StateTraits{.state = State::paccept,
                .name = "paccept",
                .close_due = true,
                .deadline = Deadline::accept},
    StateTraits{.state = State::connecting,
                .name = "connecting",
                .watch = Watch::connect,
                .sendable = true,
                .close_due = true},
    StateTraits{.state = State::connecting_draining,
                .name = "connecting_draining",
                .watch = Watch::connect,
                .close_due = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::connected,
                .name = "connected",
                .watch = Watch::read,
                .sendable = true,
                .flushes = true,
                .close_due = true},
    StateTraits{.state = State::halfclose_read,
                .name = "halfclose_read",
                .watch = Watch::hang_up,
                .sendable = true,
                .flushes = true},
    StateTraits{.state = State::halfclose_write,
                .name = "halfclose_write",
                .watch = Watch::read,
                .close_due = true,
                .deadline = Deadline::halfclose_write},
    StateTraits{.state = State::draining,
                .name = "draining",
                .watch = Watch::read,
                .flushes = true,
                .close_due = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::draining_eof,
                .name = "draining_eof",
                .watch = Watch::hang_up,
                .flushes = true,
                .close_due = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::draining_silent,
                .name = "draining_silent",
                .watch = Watch::hang_up,
                .flushes = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::lingering,
                .name = "lingering",
                .watch = Watch::read,
                .deadline = Deadline::linger},
};

// clang-format off
inline constexpr std::array kRules = {
    // A stale id, or one that never was: answered or ignored, never an abort.
    Rule{State::free, Input::start,           State::free, Emit::error_invalid},
    Rule{State::free, Input::send,            State::free, Emit::nothing, Act::drop},
    Rule{State::free, Input::close_flushed,   State::free},
    Rule{State::free, Input::close_abortive,  State::free},

    // The ERR of a failed create is terminal: no CLOSE follows it.
    Rule{State::reserved, Input::start,           State::reserved, Emit::nothing, Act::own},
    Rule{State::reserved, Input::send,            State::reserved, Emit::nothing, Act::queue},
    Rule{State::reserved, Input::close_flushed,   State::free, Emit::close},
    Rule{State::reserved, Input::close_pending,   State::reserved_draining},
    Rule{State::reserved, Input::close_abortive,  State::free, Emit::close},
    Rule{State::reserved, Input::listen_ready,    State::plisten, Emit::open, Act::drop_queue},
    Rule{State::reserved, Input::connect_started, State::connecting},
    Rule{State::reserved, Input::connect_ok,      State::connected, Emit::open},
    Rule{State::reserved, Input::create_failed,   State::free, Emit::error},
    Rule{State::reserved, Input::owner_gone,      State::free},

    Rule{State::reserved_draining, Input::start,           State::reserved_draining, Emit::error_closed},
    Rule{State::reserved_draining, Input::send,            State::reserved_draining, Emit::nothing, Act::drop},
    Rule{State::reserved_draining, Input::close_pending,   State::reserved_draining},
    Rule{State::reserved_draining, Input::close_abortive,  State::free, Emit::close},
    Rule{State::reserved_draining, Input::listen_ready,    State::free, Emit::close, Act::drop},
    Rule{State::reserved_draining, Input::connect_started, State::connecting_draining},
    Rule{State::reserved_draining, Input::connect_ok,      State::draining},
    Rule{State::reserved_draining, Input::create_failed,   State::free, Emit::close},
    Rule{State::reserved_draining, Input::deadline,        State::free, Emit::close},
    Rule{State::reserved_draining, Input::owner_gone,      State::free},

    Rule{State::plisten, Input::start,          State::listening, Emit::open_start, Act::own},
    Rule{State::plisten, Input::send,           State::plisten, Emit::nothing, Act::drop},
    Rule{State::plisten, Input::close_flushed,  State::free, Emit::close},
    Rule{State::plisten, Input::close_abortive, State::free, Emit::close},
    Rule{State::plisten, Input::owner_gone,     State::free},

    Rule{State::listening, Input::start,          State::listening, Emit::open_transfer, Act::own},
    Rule{State::listening, Input::send,           State::listening, Emit::nothing, Act::drop},
    Rule{State::listening, Input::close_flushed,  State::free, Emit::close},
    Rule{State::listening, Input::close_abortive, State::free, Emit::close},
    Rule{State::listening, Input::accepted,       State::listening, Emit::accept},
    Rule{State::listening, Input::accept_failed,  State::listening, Emit::error},
    Rule{State::listening, Input::accept_starved, State::accept_paused},
    Rule{State::listening, Input::read_failed,    State::free, Emit::error_then_close},
    Rule{State::listening, Input::owner_gone,     State::free},

    // Level-triggered, a backlog that nobody can take would wake the reactor for ever.
    Rule{State::accept_paused, Input::start,          State::accept_paused, Emit::open_transfer, Act::own},
    Rule{State::accept_paused, Input::send,           State::accept_paused, Emit::nothing, Act::drop},
    Rule{State::accept_paused, Input::close_flushed,  State::free, Emit::close},
    Rule{State::accept_paused, Input::close_abortive, State::free, Emit::close},
    Rule{State::accept_paused, Input::deadline,       State::listening},
    Rule{State::accept_paused, Input::read_failed,    State::free, Emit::error_then_close},
    Rule{State::accept_paused, Input::hung_up,        State::free, Emit::close},
    Rule{State::accept_paused, Input::owner_gone,     State::free},

    Rule{State::paccept, Input::start,          State::connected, Emit::open_start, Act::own},
    Rule{State::paccept, Input::send,           State::paccept, Emit::nothing, Act::drop},
    Rule{State::paccept, Input::close_flushed,  State::free, Emit::close},
    Rule{State::paccept, Input::close_abortive, State::free, Emit::close},
    Rule{State::paccept, Input::deadline,       State::free, Emit::close},
    Rule{State::paccept, Input::owner_gone,     State::free},

    Rule{State::connecting, Input::start,          State::connecting, Emit::nothing, Act::own},
    Rule{State::connecting, Input::send,           State::connecting, Emit::nothing, Act::queue},
    Rule{State::connecting, Input::close_flushed,  State::free, Emit::close},
    Rule{State::connecting, Input::close_pending,  State::connecting_draining},
    Rule{State::connecting, Input::close_abortive, State::free, Emit::close},
    Rule{State::connecting, Input::connect_ok,     State::connected, Emit::open},
    Rule{State::connecting, Input::connect_failed, State::free, Emit::error},
    Rule{State::connecting, Input::owner_gone,     State::free},

    Rule{State::connecting_draining, Input::start,          State::connecting_draining, Emit::error_closed},
    Rule{State::connecting_draining, Input::send,           State::connecting_draining, Emit::nothing, Act::drop},
    Rule{State::connecting_draining, Input::close_pending,  State::connecting_draining},
    Rule{State::connecting_draining, Input::close_abortive, State::free, Emit::close},
    Rule{State::connecting_draining, Input::connect_ok,     State::draining},
    Rule{State::connecting_draining, Input::connect_failed, State::free, Emit::close},
    Rule{State::connecting_draining, Input::deadline,       State::free, Emit::close},
    Rule{State::connecting_draining, Input::owner_gone,     State::free},

    Rule{State::connected, Input::start,          State::connected, Emit::open_transfer, Act::own},
    Rule{State::connected, Input::send,           State::connected, Emit::nothing, Act::queue},
    Rule{State::connected, Input::close_flushed,  State::lingering, Emit::close, Act::finish_write},
    Rule{State::connected, Input::close_pending,  State::draining},
    Rule{State::connected, Input::close_abortive, State::free, Emit::close},
    Rule{State::connected, Input::received,       State::connected, Emit::data},
    Rule{State::connected, Input::eof,            State::halfclose_read, Emit::close},
    Rule{State::connected, Input::read_failed,    State::free, Emit::error_then_close},
    Rule{State::connected, Input::drained,        State::connected},
    Rule{State::connected, Input::write_failed,   State::halfclose_write, Emit::error, Act::drop_queue},
    Rule{State::connected, Input::hung_up,        State::free, Emit::close},
    Rule{State::connected, Input::owner_gone,     State::free},

    // CLOSE was reported with the FIN: from here on silence, but for the ERR of a failed write.
    Rule{State::halfclose_read, Input::start,          State::halfclose_read, Emit::error_closed},
    Rule{State::halfclose_read, Input::send,           State::halfclose_read, Emit::nothing, Act::queue},
    Rule{State::halfclose_read, Input::close_flushed,  State::free},
    Rule{State::halfclose_read, Input::close_pending,  State::draining_silent},
    Rule{State::halfclose_read, Input::close_abortive, State::free},
    Rule{State::halfclose_read, Input::read_failed,    State::free, Emit::error},
    Rule{State::halfclose_read, Input::drained,        State::halfclose_read},
    Rule{State::halfclose_read, Input::write_failed,   State::free, Emit::error},
    Rule{State::halfclose_read, Input::hung_up,        State::free},
    Rule{State::halfclose_read, Input::owner_gone,     State::free},

    // ERR was reported with the failed write; one CLOSE is due, at the latest at the deadline.
    Rule{State::halfclose_write, Input::start,          State::halfclose_write, Emit::open_transfer, Act::own},
    Rule{State::halfclose_write, Input::send,           State::halfclose_write, Emit::nothing, Act::drop},
    Rule{State::halfclose_write, Input::close_flushed,  State::free, Emit::close},
    Rule{State::halfclose_write, Input::close_abortive, State::free, Emit::close},
    Rule{State::halfclose_write, Input::received,       State::halfclose_write, Emit::data},
    Rule{State::halfclose_write, Input::eof,            State::free, Emit::close},
    Rule{State::halfclose_write, Input::read_failed,    State::free, Emit::close},
    Rule{State::halfclose_write, Input::hung_up,        State::free, Emit::close},
    Rule{State::halfclose_write, Input::deadline,       State::free, Emit::close},
    Rule{State::halfclose_write, Input::owner_gone,     State::free},

    Rule{State::draining, Input::start,          State::draining, Emit::error_closed},
    Rule{State::draining, Input::send,           State::draining, Emit::nothing, Act::drop},
    Rule{State::draining, Input::close_flushed,  State::lingering, Emit::close, Act::finish_write},
    Rule{State::draining, Input::close_pending,  State::draining},
    Rule{State::draining, Input::close_abortive, State::free, Emit::close},
    Rule{State::draining, Input::received,       State::draining, Emit::nothing, Act::drop},
    Rule{State::draining, Input::eof,            State::draining_eof},
    Rule{State::draining, Input::read_failed,    State::free, Emit::close},
    Rule{State::draining, Input::drained,        State::lingering, Emit::close, Act::finish_write},
    Rule{State::draining, Input::write_failed,   State::free, Emit::close},
    Rule{State::draining, Input::hung_up,        State::free, Emit::close},
    Rule{State::draining, Input::deadline,       State::free, Emit::close},
    Rule{State::draining, Input::owner_gone,     State::free},

    Rule{State::draining_eof, Input::start,          State::draining_eof, Emit::error_closed},
    Rule{State::draining_eof, Input::send,           State::draining_eof, Emit::nothing, Act::drop},
    Rule{State::draining_eof, Input::close_flushed,  State::free, Emit::close},
    Rule{State::draining_eof, Input::close_pending,  State::draining_eof},
    Rule{State::draining_eof, Input::close_abortive, State::free, Emit::close},
    Rule{State::draining_eof, Input::read_failed,    State::free, Emit::close},
    Rule{State::draining_eof, Input::drained,        State::free, Emit::close},
    Rule{State::draining_eof, Input::write_failed,   State::free, Emit::close},
    Rule{State::draining_eof, Input::hung_up,        State::free, Emit::close},
    Rule{State::draining_eof, Input::deadline,       State::free, Emit::close},
    Rule{State::draining_eof, Input::owner_gone,     State::free},

    Rule{State::draining_silent, Input::start,          State::draining_silent, Emit::error_closed},
    Rule{State::draining_silent, Input::send,           State::draining_silent, Emit::nothing, Act::drop},
    Rule{State::draining_silent, Input::close_flushed,  State::free},
    Rule{State::draining_silent, Input::close_pending,  State::draining_silent},
    Rule{State::draining_silent, Input::close_abortive, State::free},
    Rule{State::draining_silent, Input::read_failed,    State::free},
    Rule{State::draining_silent, Input::drained,        State::free},
    Rule{State::draining_silent, Input::write_failed,   State::free},
    Rule{State::draining_silent, Input::hung_up,        State::free},
    Rule{State::draining_silent, Input::deadline,       State::free},
    Rule{State::draining_silent, Input::owner_gone,     State::free},

    // The id is gone for its owner: commands find what they find on a free one.
    Rule{State::lingering, Input::start,          State::lingering, Emit::error_invalid},
    Rule{State::lingering, Input::send,           State::lingering, Emit::nothing, Act::drop},
    Rule{State::lingering, Input::close_flushed,  State::lingering},
    Rule{State::lingering, Input::close_abortive, State::lingering},
    Rule{State::lingering, Input::received,       State::lingering, Emit::nothing, Act::drop},
    Rule{State::lingering, Input::eof,            State::free},
    Rule{State::lingering, Input::read_failed,    State::free},
    Rule{State::lingering, Input::hung_up,        State::free},
    Rule{State::lingering, Input::deadline,       State::free},
};
// clang-format on

namespace detail {

constexpr std::size_t index(State state) { return static_cast<std::size_t>(state); }
constexpr std::size_t index(Input input) { return static_cast<std::size_t>(input); }

/// Position of the rule for every (state, input), or -1.
constexpr auto kRuleIndex = [] {
  std::array<std::array<std::int16_t, kInputCount>, kStateCount> table{};
  for (auto& row : table) row.fill(-1);
  for (std::size_t at = 0; at < kRules.size(); ++at) {
    table[index(kRules[at].from)][index(kRules[at].input)] = static_cast<std::int16_t>(at);
  }
  return table;
}();

constexpr bool is_reserved(State state) {
  return state == State::reserved || state == State::reserved_draining;
}

/// Whether the reactor can meet `input` in a state of these traits: derived from what the state
/// watches, queues and waits for, not from the rules, so that it can be held against them.
constexpr bool can_occur(const StateTraits& in, Input input) {
  const bool free = in.state == State::free;
  const bool creating = is_reserved(in.state);
  const bool stream = in.watch == Watch::read || in.watch == Watch::hang_up;
  const bool holds_output = in.sendable || in.flushes || in.state == State::reserved_draining ||
                            in.state == State::connecting_draining;
  switch (input) {
    case Input::start:
    case Input::send:
    case Input::close_abortive:
      return true;
    case Input::close_flushed:
      return in.state != State::reserved_draining && in.state != State::connecting_draining;
    case Input::close_pending:
      return holds_output;
    case Input::listen_ready:
    case Input::connect_started:
    case Input::create_failed:
      return creating;
    case Input::connect_ok:
      return creating || in.watch == Watch::connect;
    case Input::connect_failed:
      return in.watch == Watch::connect;
    case Input::accepted:
    case Input::accept_failed:
    case Input::accept_starved:
      return in.watch == Watch::accept;
    case Input::received:
    case Input::eof:
      return in.watch == Watch::read;
    // A listener fails when it cannot be registered.
    case Input::read_failed:
      return stream || in.watch == Watch::accept;
    case Input::drained:
    case Input::write_failed:
      return in.flushes;
    case Input::hung_up:
      return stream;
    case Input::deadline:
      return in.deadline != Deadline::none;
    // Lingering needs no owner: its CLOSE was the last it could hear.
    case Input::owner_gone:
      return !free && in.state != State::lingering;
  }
  return false;
}

constexpr bool traits_are_in_order() {
  for (std::size_t at = 0; at < kTraits.size(); ++at) {
    if (index(kTraits[at].state) != at) return false;
  }
  return kTraits.size() == kStateCount;
}

constexpr bool no_pair_appears_twice() {
  for (std::size_t at = 0; at < kRules.size(); ++at) {
    if (kRuleIndex[index(kRules[at].from)][index(kRules[at].input)] != static_cast<int>(at)) {
      return false;
    }
  }
  return true;
}

constexpr bool exactly_the_possible_pairs_have_a_rule() {
  for (std::size_t state = 0; state < kStateCount; ++state) {
    for (std::size_t input = 0; input < kInputCount; ++input) {
      const bool ruled = kRuleIndex[state][input] >= 0;
      if (ruled != can_occur(kTraits[state], static_cast<Input>(input))) return false;
    }
  }
  return true;
}

constexpr bool every_state_can_close() {
  return std::ranges::all_of(kTraits, [](const StateTraits& in) {
    const auto leads_to_free = [&](const Rule& rule) {
      return rule.from == in.state && rule.to == State::free &&
             (rule.input == Input::close_abortive || rule.input == Input::deadline);
    };
    return std::ranges::any_of(kRules, leads_to_free);
  });
}

constexpr bool every_state_is_reachable() {
  std::array<bool, kStateCount> reached{};
  reached[index(State::free)] = reached[index(State::reserved)] = true;
  reached[index(State::paccept)] = true;  // Born by the listener's `accepted`.
  for (std::size_t round = 0; round < kStateCount; ++round) {
    for (const Rule& rule : kRules) {
      if (reached[index(rule.from)]) reached[index(rule.to)] = true;
    }
  }
  return std::ranges::all_of(reached, [](bool yes) { return yes; });
}

constexpr bool emits_close(const Rule& rule) {
  return rule.emit == Emit::close || rule.emit == Emit::error_then_close;
}

/// A rule reports CLOSE if and only if it leaves the states where CLOSE is due; the exceptions are
/// a failed create, whose ERR is terminal, and an owner that is gone, who hears nothing.
constexpr bool close_is_reported_exactly_once() {
  return std::ranges::all_of(kRules, [](const Rule& rule) {
    const bool was_due = kTraits[index(rule.from)].close_due;
    const bool stays_due = kTraits[index(rule.to)].close_due;
    const bool failed_create =
        rule.to == State::free && rule.emit == Emit::error &&
        (rule.input == Input::create_failed || rule.input == Input::connect_failed);
    if (rule.input == Input::owner_gone || failed_create) return !emits_close(rule);
    return emits_close(rule) == (was_due && !stays_due) && !(stays_due && !was_due);
  });
}

/// No output is kept where nothing will ever send it.
constexpr bool queued_output_is_kept_only_where_it_can_leave() {
  return std::ranges::all_of(kRules, [](const Rule& rule) {
    const StateTraits& to = kTraits[index(rule.to)];
    const bool may_hold = to.flushes || to.watch == Watch::connect || is_reserved(rule.to);
    if (rule.act == Act::queue) return may_hold && to.sendable;
    const StateTraits& from = kTraits[index(rule.from)];
    const bool held = from.flushes || from.watch == Watch::connect || is_reserved(rule.from);
    const bool emptied = rule.act == Act::drop_queue || rule.to == State::free ||
                         rule.input == Input::close_flushed || rule.input == Input::drained;
    return !held || may_hold || emptied;
  });
}

static_assert(traits_are_in_order());
static_assert(no_pair_appears_twice());
static_assert(exactly_the_possible_pairs_have_a_rule());
static_assert(every_state_can_close());
static_assert(every_state_is_reachable());
static_assert(close_is_reported_exactly_once());
static_assert(queued_output_is_kept_only_where_it_can_leave());

}  // namespace detail
}  // namespace skysock
