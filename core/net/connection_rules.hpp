#pragma once

#include <algorithm>
#include <array>

#include "core/net/connection_state.hpp"

// The rules and their compile-time proofs.

namespace skysock {

inline constexpr std::array kTraits = {
    StateTraits{.state = State::free, .name = "free"},
    StateTraits{
        .state = State::reserved, .name = "reserved", .send = SendMode::queued, .close_due = true},
    StateTraits{.state = State::reserved_draining,
                .name = "reserved_draining",
                .close_due = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::resolving,
                .name = "resolving",
                .send = SendMode::queued,
                .close_due = true},
    StateTraits{.state = State::resolving_held,
                .name = "resolving_held",
                .send = SendMode::queued,
                .close_due = true},
    StateTraits{.state = State::resolving_draining,
                .name = "resolving_draining",
                .close_due = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::connecting,
                .name = "connecting",
                .watch = Watch::connect,
                .send = SendMode::queued,
                .close_due = true},
    StateTraits{.state = State::connecting_held,
                .name = "connecting_held",
                .watch = Watch::connect,
                .send = SendMode::queued,
                .close_due = true},
    StateTraits{.state = State::connecting_draining,
                .name = "connecting_draining",
                .watch = Watch::connect,
                .close_due = true,
                .deadline = Deadline::drain},
    StateTraits{.state = State::plisten, .name = "plisten", .close_due = true},
    StateTraits{
        .state = State::listening, .name = "listening", .watch = Watch::accept, .close_due = true},
    StateTraits{.state = State::listening_held,
                .name = "listening_held",
                .watch = Watch::hang_up,
                .close_due = true},
    StateTraits{.state = State::accept_paused,
                .name = "accept_paused",
                .watch = Watch::hang_up,
                .close_due = true,
                .deadline = Deadline::accept_retry},
    StateTraits{.state = State::paccept,
                .name = "paccept",
                .close_due = true,
                .deadline = Deadline::accept},
    StateTraits{.state = State::connected,
                .name = "connected",
                .watch = Watch::read,
                .send = SendMode::direct,
                .flushes = true,
                .close_due = true},
    StateTraits{.state = State::connected_held,
                .name = "connected_held",
                .watch = Watch::held,
                .send = SendMode::direct,
                .flushes = true,
                .close_due = true},
    StateTraits{.state = State::halfclose_read,
                .name = "halfclose_read",
                .watch = Watch::hang_up,
                .send = SendMode::queued,
                .flushes = true},
    StateTraits{.state = State::halfclose_write,
                .name = "halfclose_write",
                .watch = Watch::read,
                .close_due = true,
                .deadline = Deadline::halfclose_write},
    StateTraits{.state = State::halfclose_write_held,
                .name = "halfclose_write_held",
                .watch = Watch::held,
                .close_due = true,
                .deadline = Deadline::halfclose_write},
    StateTraits{.state = State::handing_over,
                .name = "handing_over",
                .watch = Watch::output,
                .send = SendMode::queued,
                .flushes = true,
                .close_due = true,
                .deadline = Deadline::accept},
    StateTraits{.state = State::handing_over_started,
                .name = "handing_over_started",
                .watch = Watch::output,
                .send = SendMode::queued,
                .flushes = true,
                .close_due = true,
                .deadline = Deadline::accept},
    StateTraits{.state = State::handed_over,
                .name = "handed_over",
                .watch = Watch::output,
                .send = SendMode::queued,
                .flushes = true,
                .close_due = true,
                .deadline = Deadline::accept},
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
    StateTraits{.state = State::udp,
                .name = "udp",
                .watch = Watch::datagram,
                .send = SendMode::direct,
                .flushes = true,
                .close_due = true},
    StateTraits{.state = State::udp_held,
                .name = "udp_held",
                .watch = Watch::output,
                .send = SendMode::direct,
                .flushes = true,
                .close_due = true},
    StateTraits{.state = State::udp_draining,
                .name = "udp_draining",
                .watch = Watch::output,
                .flushes = true,
                .close_due = true,
                .deadline = Deadline::drain},
};

namespace detail {

constexpr std::size_t index(State state) { return static_cast<std::size_t>(state); }
constexpr std::size_t index(Input input) { return static_cast<std::size_t>(input); }

/// States that share a rule.
struct StateSet {
  std::uint64_t bits = 0;
  [[nodiscard]] constexpr bool contains(State state) const {
    return (bits >> index(state) & 1U) != 0;
  }
};

template <typename... States>
consteval StateSet in(States... states) {
  return {((std::uint64_t{1} << index(states)) | ...)};
}

consteval StateSet operator|(StateSet left, StateSet right) { return {left.bits | right.bits}; }
consteval StateSet but(StateSet without) {
  return {((std::uint64_t{1} << kStateCount) - 1) & ~without.bits};
}

struct Row {
  StateSet from;
  Input input;
  State to;
  bool stays;
  Emit emit;
  Act act;
};

consteval Row go(StateSet from, Input input, State to, Emit emit = Emit::nothing,
                 Act act = Act::nothing) {
  return {.from = from, .input = input, .to = to, .stays = false, .emit = emit, .act = act};
}
consteval Row go(State from, Input input, State to, Emit emit = Emit::nothing,
                 Act act = Act::nothing) {
  return go(in(from), input, to, emit, act);
}
consteval Row stay(StateSet from, Input input, Emit emit = Emit::nothing, Act act = Act::nothing) {
  return {.from = from, .input = input, .to = State::free, .stays = true, .emit = emit, .act = act};
}
consteval Row stay(State from, Input input, Emit emit = Emit::nothing, Act act = Act::nothing) {
  return stay(in(from), input, emit, act);
}

using enum State;
using In = Input;

/// The id is gone for its owner, or never was.
inline constexpr StateSet kGone = in(free, lingering);
/// The owner closed; what was accepted before is still sent.
inline constexpr StateSet kCreatingDraining =
    in(reserved_draining, resolving_draining, connecting_draining);
inline constexpr StateSet kDraining =
    kCreatingDraining | in(draining, draining_eof, draining_silent, udp_draining);
inline constexpr StateSet kConnected = in(connected, connected_held);
inline constexpr StateSet kHalfcloseWrite = in(halfclose_write, halfclose_write_held);
inline constexpr StateSet kHandover = in(handing_over, handing_over_started, handed_over);
inline constexpr StateSet kListening = in(listening, listening_held, accept_paused);
inline constexpr StateSet kResolving = in(resolving, resolving_held);
inline constexpr StateSet kConnecting = in(connecting, connecting_held);
inline constexpr StateSet kUdp = in(udp, udp_held);

// clang-format off
inline constexpr std::array kRows = {
    // start: always answered; a create command under way answers for it.
    stay(kGone | in(reserved),                In::start, Emit::error_invalid),
    stay(kDraining | in(halfclose_read),      In::start, Emit::error_closed),
    go(kResolving,                            In::start, resolving, Emit::nothing, Act::own),
    go(kConnecting,                           In::start, connecting, Emit::nothing, Act::own),
    go(plisten,                               In::start, listening, Emit::open_start, Act::own),
    go(in(listening, listening_held),         In::start, listening, Emit::open_transfer, Act::own),
    stay(accept_paused,                       In::start, Emit::open_transfer, Act::own),
    go(paccept,                               In::start, connected, Emit::open_start, Act::own),
    go(kConnected | in(handed_over),          In::start, connected, Emit::open_transfer, Act::own),
    go(kHalfcloseWrite,                       In::start, halfclose_write, Emit::open_transfer, Act::own),
    go(handing_over,                          In::start, handing_over_started, Emit::nothing, Act::own),
    stay(handing_over_started,                In::start, Emit::error_busy),
    go(kUdp,                                  In::start, udp, Emit::open_transfer, Act::own),

    // hold: where nothing is read there is nothing to hold.
    go(kResolving,                            In::hold, resolving_held),
    go(kConnecting,                           In::hold, connecting_held),
    go(kListening,                            In::hold, listening_held),
    go(kConnected,                            In::hold, connected_held),
    go(kHalfcloseWrite,                       In::hold, halfclose_write_held),
    go(kUdp,                                  In::hold, udp_held),
    stay(kGone | kDraining | kHandover | in(reserved, plisten, paccept, halfclose_read), In::hold),

    // Hand-over: the old owner gives back what it has, in order, then says so; then the next
    // owner's start is answered. A FIN that the old owner heard of is found again by the next read.
    go(kConnected | kHalfcloseWrite | in(halfclose_read), In::hand_over, handing_over, Emit::handover),
    stay(kGone | kDraining | kHandover | kListening | kResolving | kConnecting | kUdp | in(reserved, plisten, paccept), In::hand_over),
    stay(in(handing_over, handing_over_started), In::give_back, Emit::nothing, Act::keep),
    stay(but(in(handing_over, handing_over_started)), In::give_back, Emit::nothing, Act::drop),
    go(handing_over,                          In::hand_over_done, handed_over),
    go(handing_over_started,                  In::hand_over_done, connected, Emit::open_transfer, Act::deliver_unread),
    stay(but(in(handing_over, handing_over_started)), In::hand_over_done),

    // send: what may be sent later is queued, the rest is freed.
    stay(kResolving | kConnecting | kConnected | kHandover | kUdp | in(reserved, halfclose_read), In::send, Emit::nothing, Act::queue),
    stay(kGone | kDraining | kListening | kHalfcloseWrite | in(plisten, paccept), In::send, Emit::nothing, Act::drop),
    stay(kConnected | kHandover | kUdp | in(halfclose_read, draining, draining_eof, draining_silent, udp_draining), In::arm_write, Emit::nothing, Act::flush),
    stay(kGone | kCreatingDraining | kResolving | kConnecting | kListening | kHalfcloseWrite | in(reserved, plisten, paccept), In::arm_write),

    stay(kResolving | kConnecting | kListening | kConnected | kHalfcloseWrite | kHandover | kUdp | in(plisten, paccept, halfclose_read), In::set_option, Emit::nothing, Act::set_option),
    stay(kGone | kDraining | in(reserved),    In::set_option),
    stay(kUdp,                                In::set_address, Emit::nothing, Act::set_address),
    stay(but(kUdp),                           In::set_address),

    // close, nothing pending, a peer that may still talk: it sees every byte, then EOF.
    go(kConnected | kHandover,                In::close_flushed, lingering, Emit::close, Act::finish_write),
    stay(kGone,                               In::close_final),
    go(kResolving | kConnecting | kListening | kConnected | kHandover | kHalfcloseWrite | kUdp | in(reserved, plisten, paccept), In::close_final, free, Emit::close),
    go(halfclose_read,                        In::close_final, free),
    // close, output pending.
    go(reserved,                              In::close_pending, reserved_draining),
    go(kResolving,                            In::close_pending, resolving_draining),
    go(kConnecting,                           In::close_pending, connecting_draining),
    go(kConnected | kHandover,                In::close_pending, draining),
    go(halfclose_read,                        In::close_pending, draining_silent),
    go(kUdp,                                  In::close_pending, udp_draining),
    stay(kDraining,                           In::close_pending),
    // shutdown.
    stay(kGone,                               In::close_abortive),
    go(in(halfclose_read, draining_silent),   In::close_abortive, free),
    go(but(kGone | in(halfclose_read, draining_silent)), In::close_abortive, free, Emit::close),

    // Creation. The ERR of a failed one is terminal: no CLOSE follows it.
    go(reserved,                              In::listen_ready, plisten, Emit::open, Act::drop_queue),
    go(reserved_draining,                     In::listen_ready, free, Emit::close),
    go(reserved,                              In::udp_ready, udp),
    go(reserved_draining,                     In::udp_ready, udp_draining),
    go(reserved,                              In::bound, connected, Emit::open),
    go(reserved_draining,                     In::bound, draining),
    go(reserved,                              In::resolve_started, resolving),
    go(reserved_draining,                     In::resolve_started, resolving_draining),
    go(in(reserved, resolving, connecting),   In::connect_started, connecting),
    go(in(resolving_held, connecting_held),   In::connect_started, connecting_held),
    go(kCreatingDraining,                     In::connect_started, connecting_draining),
    go(in(reserved, resolving, connecting),   In::connect_ok, connected, Emit::open),
    go(in(resolving_held, connecting_held),   In::connect_ok, connected_held, Emit::open),
    go(kCreatingDraining,                     In::connect_ok, draining),
    go(kResolving | kConnecting | in(reserved), In::create_failed, free, Emit::error),
    go(kCreatingDraining,                     In::create_failed, free, Emit::close),

    stay(listening,                           In::accepted, Emit::accept),
    stay(listening,                           In::accept_failed, Emit::error),
    go(listening,                             In::accept_starved, accept_paused),

    stay(kConnected | kHalfcloseWrite,        In::received, Emit::data),
    stay(in(draining, lingering),             In::received, Emit::nothing, Act::drop),
    stay(udp,                                 In::datagram, Emit::udp),
    go(connected,                             In::eof, halfclose_read, Emit::close),
    go(halfclose_write,                       In::eof, free, Emit::close),
    go(draining,                              In::eof, draining_eof),
    go(lingering,                             In::eof, free),

    go(kListening | kConnected | kHandover | kUdp, In::read_failed, free, Emit::error_then_close),
    go(halfclose_read,                        In::read_failed, free, Emit::error),
    go(kHalfcloseWrite | in(draining, draining_eof, udp_draining), In::read_failed, free, Emit::close),
    go(in(draining_silent, lingering),        In::read_failed, free),
    stay(kUdp,                                In::udp_failed, Emit::error),
    stay(udp_draining,                        In::udp_failed),

    stay(kConnected | kHandover | kUdp | in(halfclose_read), In::drained),
    go(draining,                              In::drained, lingering, Emit::close, Act::finish_write),
    go(kCreatingDraining | in(draining, draining_eof, udp_draining), In::drained_final, free, Emit::close),
    go(draining_silent,                       In::drained_final, free),

    // The rest of the queue can never be sent; what was received is still delivered.
    go(connected,                             In::write_failed, halfclose_write, Emit::error, Act::drop_queue),
    go(connected_held,                        In::write_failed, halfclose_write_held, Emit::error, Act::drop_queue),
    stay(kHandover,                           In::write_failed, Emit::nothing, Act::drop_queue),
    go(halfclose_read,                        In::write_failed, free, Emit::error),
    go(in(draining, draining_eof),            In::write_failed, free, Emit::close),
    go(draining_silent,                       In::write_failed, free),

    go(in(connected_held, halfclose_write_held, listening_held, accept_paused, draining_eof), In::hung_up, free, Emit::close),
    go(in(halfclose_read, draining_silent),   In::hung_up, free),

    go(accept_paused,                         In::deadline, listening),
    go(kCreatingDraining | kHalfcloseWrite | kHandover | in(paccept, draining, draining_eof, udp_draining), In::deadline, free, Emit::close),
    go(in(draining_silent, lingering),        In::deadline, free),
};
// clang-format on

/// One rule per (state, input); an impossible pair has `possible` false.
struct Cell {
  Rule rule{};
  bool possible = false;
};

using CellTable = std::array<std::array<Cell, kInputCount>, kStateCount>;

inline constexpr CellTable kCells = []() consteval {
  CellTable cells{};
  for (const Row& row : kRows) {
    for (std::size_t state = 0; state < kStateCount; ++state) {
      const auto from = static_cast<State>(state);
      if (!row.from.contains(from)) continue;
      cells[state][index(row.input)] = {.rule = {.from = from,
                                                 .input = row.input,
                                                 .to = row.stays ? from : row.to,
                                                 .emit = row.emit,
                                                 .act = row.act},
                                        .possible = true};
    }
  }
  return cells;
}();

/// find_rule(), where it is looked up for every event.
constexpr const Rule* rule_of(State state, Input input) {
  const Cell& cell = kCells[index(state)][index(input)];
  return cell.possible ? &cell.rule : nullptr;
}
constexpr const StateTraits& traits_of(State state) { return kTraits[index(state)]; }

constexpr bool is_creating(State state) {
  return (kResolving | kConnecting | kCreatingDraining | in(State::reserved)).contains(state);
}

/// Output waits in this state for a time when it can be sent.
constexpr bool holds_output(const StateTraits& of) { return of.flushes || is_creating(of.state); }

/// A close here may linger: all is sent, and the peer was not heard to be done.
constexpr bool may_linger(State state) {
  return (kConnected | kHandover | in(State::draining)).contains(state);
}

/// Whether the reactor can meet `input` in a state of these traits: derived from what the state
/// watches, queues and waits for, not from the rules, so that it can be held against them.
consteval bool can_occur(const StateTraits& of, Input input) {
  const bool reserved = of.state == State::reserved || of.state == State::reserved_draining;
  const bool owner_closed = kDraining.contains(of.state);
  const bool stream =
      of.watch == Watch::read || of.watch == Watch::held || of.watch == Watch::hang_up;
  const bool datagram = kUdp.contains(of.state) || of.state == State::udp_draining;
  switch (input) {
    case Input::start:
    case Input::hold:
    case Input::hand_over:
    case Input::give_back:
    case Input::hand_over_done:
    case Input::send:
    case Input::arm_write:
    case Input::set_option:
    case Input::set_address:
    case Input::close_abortive:
      return true;
    case Input::close_flushed:
      return may_linger(of.state) && !owner_closed;
    case Input::close_final:
      return !owner_closed;  // Draining is left when nothing is pending any more.
    case Input::close_pending:
      return holds_output(of);
    case Input::listen_ready:
    case Input::udp_ready:
    case Input::bound:
    case Input::resolve_started:
      return reserved;
    case Input::connect_started:
    case Input::connect_ok:
    case Input::create_failed:
      return is_creating(of.state);
    case Input::accepted:
    case Input::accept_failed:
    case Input::accept_starved:
      return of.watch == Watch::accept;
    case Input::received:
      return of.watch == Watch::read || of.watch == Watch::held;
    case Input::datagram:
      return of.watch == Watch::datagram;
    case Input::eof:
      return of.watch == Watch::read;
    // A registration may fail in whatever state makes one.
    case Input::read_failed:
      return of.watch != Watch::nothing && of.watch != Watch::connect;
    case Input::udp_failed:
      return datagram;
    case Input::drained:
      return of.flushes && (!owner_closed || may_linger(of.state));
    case Input::drained_final:
      return owner_closed;
    case Input::write_failed:
      return of.flushes && !datagram;
    case Input::hung_up:
      return stream && of.watch != Watch::read;
    case Input::deadline:
      return of.deadline != Deadline::none;
  }
  return false;
}

consteval bool traits_are_in_order() {
  for (std::size_t at = 0; at < kTraits.size(); ++at) {
    if (index(kTraits[at].state) != at) return false;
  }
  return kTraits.size() == kStateCount;
}

consteval bool no_pair_appears_twice() {
  std::array<std::array<int, kInputCount>, kStateCount> seen{};
  for (const Row& row : kRows) {
    for (std::size_t state = 0; state < kStateCount; ++state) {
      if (!row.from.contains(static_cast<State>(state))) continue;
      if (++seen[state][index(row.input)] > 1) return false;
    }
  }
  return true;
}

consteval bool exactly_the_possible_pairs_have_a_rule() {
  for (std::size_t state = 0; state < kStateCount; ++state) {
    for (std::size_t input = 0; input < kInputCount; ++input) {
      const bool ruled = kCells[state][input].possible;
      if (ruled != can_occur(kTraits[state], static_cast<Input>(input))) return false;
    }
  }
  return true;
}

/// Whether `holds(rule)` for every rule.
template <typename Holds>
consteval bool every_rule(Holds holds) {
  for (const auto& row : kCells) {
    for (const Cell& cell : row) {
      if (cell.possible && !holds(cell.rule)) return false;
    }
  }
  return true;
}

consteval bool every_state_can_close() {
  return std::ranges::all_of(kTraits, [](const StateTraits& of) {
    const auto leads_to_free = [&](Input input) {
      const Cell& cell = kCells[index(of.state)][index(input)];
      return cell.possible && cell.rule.to == State::free;
    };
    return leads_to_free(Input::close_abortive) || leads_to_free(Input::deadline);
  });
}

consteval bool every_state_is_reachable() {
  std::array<bool, kStateCount> reached{};
  reached[index(State::free)] = reached[index(State::reserved)] = true;
  reached[index(State::paccept)] = true;  // Born by the listener's `accepted`.
  for (std::size_t round = 0; round < kStateCount; ++round) {
    every_rule([&](const Rule& rule) {
      if (reached[index(rule.from)]) reached[index(rule.to)] = true;
      return true;
    });
  }
  return std::ranges::all_of(reached, [](bool yes) { return yes; });
}

constexpr bool emits_close(const Rule& rule) {
  return rule.emit == Emit::close || rule.emit == Emit::error_then_close;
}

/// A rule reports CLOSE if and only if it leaves the states where CLOSE is due; the exception is a
/// failed create, whose ERR is terminal. CLOSE becomes due again only when an owner gives the
/// socket up: the next one has heard nothing.
consteval bool close_is_reported_exactly_once() {
  return every_rule([](const Rule& rule) {
    const bool was_due = kTraits[index(rule.from)].close_due;
    const bool stays_due = kTraits[index(rule.to)].close_due;
    if (rule.input == Input::hand_over && !was_due) return !emits_close(rule);
    if (rule.input == Input::create_failed && rule.emit == Emit::error)
      return rule.to == State::free;
    return emits_close(rule) == (was_due && !stays_due) && !(stays_due && !was_due);
  });
}

/// No output is kept where nothing will ever send it.
consteval bool queued_output_is_kept_only_where_it_can_leave() {
  return every_rule([](const Rule& rule) {
    const bool held = holds_output(kTraits[index(rule.from)]);
    const bool may_hold = holds_output(kTraits[index(rule.to)]);
    if (rule.act == Act::queue)
      return may_hold && kTraits[index(rule.to)].send != SendMode::refused;
    const bool empty = rule.input == Input::close_flushed || rule.input == Input::drained;
    return !held || may_hold || empty || rule.act == Act::drop_queue || rule.to == State::free;
  });
}

/// Who may send into a state finds its output kept there: no send() succeeds for nothing, unless
/// the socket changes before the packet arrives.
consteval bool what_send_accepts_is_queued() {
  return std::ranges::all_of(kTraits, [](const StateTraits& of) {
    const bool accepts = of.send != SendMode::refused;
    return accepts == (kCells[index(of.state)][index(Input::send)].rule.act == Act::queue);
  });
}

static_assert(kStateCount < 64, "StateSet has 64 bits");
static_assert(traits_are_in_order());
static_assert(no_pair_appears_twice());
static_assert(exactly_the_possible_pairs_have_a_rule());
static_assert(every_state_can_close());
static_assert(every_state_is_reachable());
static_assert(close_is_reported_exactly_once());
static_assert(queued_output_is_kept_only_where_it_can_leave());
static_assert(what_send_accepts_is_queued());

}  // namespace detail
}  // namespace skysock
