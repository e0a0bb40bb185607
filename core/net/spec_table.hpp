#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/net/connection_state.hpp"

// The specification of a socket's life, written by hand from SPEC.md, the document that this server
// was built from (not in this tree): its sections 1.4 (commands x states) and 1.5 (events x states)
// as part 0 amends them. It knows nothing of connection_rules.hpp, and is not to be made from it:
// tests hold the code against this table, so a wrong rule needs a second mistake here. A cell that
// is left out is impossible.
//
// Two answers are those of the code, not of 1.4, and part 0 does not speak of them: 'C' on what is
// not UDP has no ERR "protocol mismatch" (udp_connect() refuses that itself), and 'T' has no effect
// once the owner has closed the socket.

namespace skysock {

/// What must happen when an input comes in a state.
struct SpecCell {
  enum class Next : std::uint8_t { impossible, same, other };
  Next next = Next::impossible;
  State to = State::free;  ///< Counts only for `other`.
  Emit emit = Emit::nothing;
  Act act = Act::nothing;

  [[nodiscard]] constexpr bool possible() const { return next != Next::impossible; }
  [[nodiscard]] constexpr State after(State from) const { return next == Next::same ? from : to; }
};

/// All cells of a state: a member per Input, in the order of Input.
struct SpecState {
  State state;
  SpecCell start{}, hold{}, hand_over{}, give_back{}, hand_over_done{};
  SpecCell send{}, arm_write{}, set_option{}, set_address{};
  SpecCell close_flushed{}, close_final{}, close_pending{}, close_abortive{};
  SpecCell listen_ready{}, udp_ready{}, bound{};
  SpecCell resolve_started{}, connect_started{}, connect_ok{}, create_failed{};
  SpecCell accepted{}, accept_failed{}, accept_starved{};
  SpecCell received{}, datagram{}, eof{}, read_failed{}, udp_failed{};
  SpecCell drained{}, drained_final{}, write_failed{}, hung_up{}, deadline{};
};

inline constexpr std::array kSpecMembers = {
    &SpecState::start,           &SpecState::hold,
    &SpecState::hand_over,       &SpecState::give_back,
    &SpecState::hand_over_done,  &SpecState::send,
    &SpecState::arm_write,       &SpecState::set_option,
    &SpecState::set_address,     &SpecState::close_flushed,
    &SpecState::close_final,     &SpecState::close_pending,
    &SpecState::close_abortive,  &SpecState::listen_ready,
    &SpecState::udp_ready,       &SpecState::bound,
    &SpecState::resolve_started, &SpecState::connect_started,
    &SpecState::connect_ok,      &SpecState::create_failed,
    &SpecState::accepted,        &SpecState::accept_failed,
    &SpecState::accept_starved,  &SpecState::received,
    &SpecState::datagram,        &SpecState::eof,
    &SpecState::read_failed,     &SpecState::udp_failed,
    &SpecState::drained,         &SpecState::drained_final,
    &SpecState::write_failed,    &SpecState::hung_up,
    &SpecState::deadline};
static_assert(kSpecMembers.size() == kInputCount);

namespace spec {

using enum State;

// ---- The words of the table. "-", "free" and "silent" are those of SPEC 1.4.

constexpr SpecCell stay(Emit emit, Act act = Act::nothing) {
  return {.next = SpecCell::Next::same, .emit = emit, .act = act};
}
constexpr SpecCell to(State state, Emit emit = Emit::nothing, Act act = Act::nothing) {
  return {.next = SpecCell::Next::other, .to = state, .emit = emit, .act = act};
}
/// The answers to start; the requester becomes the owner.
constexpr SpecCell start(State state) { return to(state, Emit::open_start, Act::own); }
constexpr SpecCell transfer(State state) { return to(state, Emit::open_transfer, Act::own); }
/// What is under way answers the start.
constexpr SpecCell adopt(State state) { return to(state, Emit::nothing, Act::own); }
/// CLOSE, and the peer sees every byte, then EOF.
constexpr SpecCell linger() { return to(lingering, Emit::close, Act::finish_write); }

inline constexpr SpecCell kNone = stay(Emit::nothing);             ///< "-".
inline constexpr SpecCell kFree = stay(Emit::nothing, Act::drop);  ///< The payload is freed.
inline constexpr SpecCell kKeep = stay(Emit::nothing, Act::keep);  ///< For the next owner.
inline constexpr SpecCell kQueue = stay(Emit::nothing, Act::queue);
inline constexpr SpecCell kFlush = stay(Emit::nothing, Act::flush);
inline constexpr SpecCell kSet = stay(Emit::nothing, Act::set_option);
inline constexpr SpecCell kStore = stay(Emit::nothing, Act::set_address);
inline constexpr SpecCell kLoseQueue = stay(Emit::nothing, Act::drop_queue);
inline constexpr SpecCell kInvalid = stay(Emit::error_invalid);  ///< ERR "invalid socket".
inline constexpr SpecCell kClosed = stay(Emit::error_closed);    ///< ERR "socket closed".
inline constexpr SpecCell kBusy = stay(Emit::error_busy);
inline constexpr SpecCell kError = stay(Emit::error);  ///< ERR, nothing ends.
// The slot becomes free.
inline constexpr SpecCell kSilentEnd = to(free);           ///< CLOSE was told, or nobody is there.
inline constexpr SpecCell kClose = to(free, Emit::close);  ///< CLOSE.
inline constexpr SpecCell kLastError = to(free, Emit::error);  ///< ERR, no CLOSE after it.
inline constexpr SpecCell kErrorClose = to(free, Emit::error_then_close);

// A line per group of inputs: start and hold; hand-over; output and options; closing; creation;
// accept and reading; writing and time.
// clang-format off
inline constexpr std::array kTable = {
    // 1.4 "INVALID or other id"; 0.4 LV06: any command is answered or ignored.
    SpecState{.state = free,
        .start = kInvalid, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kNone, .set_address = kNone,
        .close_final = kNone, .close_abortive = kNone},

    // 1.4 "RESERVE" and the creation commands; 0.4 LV01: what is sent early is queued; LV06: no
    // abort; 0.2: close without output cancels with one CLOSE; 1.10 rule 1: the ERR is terminal.
    SpecState{.state = reserved,
        .start = kInvalid, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kNone, .set_option = kNone, .set_address = kNone,
        .close_final = kClose, .close_pending = to(reserved_draining), .close_abortive = kClose,
        // A listener sends nothing (1.4 "PLISTEN", D/P). 'U' and 'N' have no message.
        .listen_ready = to(plisten, Emit::open, Act::drop_queue), .udp_ready = to(udp),
        .bound = to(connected, Emit::open),
        .resolve_started = to(resolving), .connect_started = to(connecting),
        .connect_ok = to(connected, Emit::open), .create_failed = kLastError},

    // 0.4 LV15: close with output finishes the connect, sends, closes; 0.2 "draining": CLOSE is
    // due, and comes when nothing can be sent any more, after an abortive close or in time.
    SpecState{.state = reserved_draining,
        .start = kClosed, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kNone, .set_address = kNone,
        .close_pending = kNone, .close_abortive = kClose,
        .listen_ready = kClose, .udp_ready = to(udp_draining), .bound = to(draining),
        .resolve_started = to(resolving_draining), .connect_started = to(connecting_draining),
        .connect_ok = to(draining), .create_failed = kClose,
        .drained_final = kClose, .deadline = kClose},

    // 1.4 "CONNECTING", for the time when the resolver (0.5) works: there is no descriptor yet.
    // 0.3: start moves the ownership, the connect's own OPEN or ERR is its answer.
    SpecState{.state = resolving,
        .start = adopt(resolving), .hold = to(resolving_held),
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_pending = to(resolving_draining), .close_abortive = kClose,
        .connect_started = to(connecting), .connect_ok = to(connected, Emit::open),
        .create_failed = kLastError},

    // The same; "reads off" holds once it is connected, start is "reads on".
    SpecState{.state = resolving_held,
        .start = adopt(resolving), .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_pending = to(resolving_draining), .close_abortive = kClose,
        .connect_started = to(connecting_held), .connect_ok = to(connected_held, Emit::open),
        .create_failed = kLastError},

    // As reserved_draining: LV15, 0.2.
    SpecState{.state = resolving_draining,
        .start = kClosed, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kNone, .set_address = kNone,
        .close_pending = kNone, .close_abortive = kClose,
        .connect_started = to(connecting_draining), .connect_ok = to(draining),
        .create_failed = kClose,
        .drained_final = kClose, .deadline = kClose},

    // 1.4 and 1.5 "CONNECTING"; 0.4 LV32: a failed connect tries the next address.
    SpecState{.state = connecting,
        .start = adopt(connecting), .hold = to(connecting_held),
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_pending = to(connecting_draining), .close_abortive = kClose,
        .connect_started = kNone, .connect_ok = to(connected, Emit::open),
        .create_failed = kLastError},

    SpecState{.state = connecting_held,
        .start = adopt(connecting), .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_pending = to(connecting_draining), .close_abortive = kClose,
        .connect_started = kNone, .connect_ok = to(connected_held, Emit::open),
        .create_failed = kLastError},

    // As reserved_draining: LV15, 0.2.
    SpecState{.state = connecting_draining,
        .start = kClosed, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kNone, .set_address = kNone,
        .close_pending = kNone, .close_abortive = kClose,
        .connect_started = kNone, .connect_ok = to(draining), .create_failed = kClose,
        .drained_final = kClose, .deadline = kClose},

    // 1.4 "PLISTEN"; 0.3: it is not in the poller, so no event comes.
    SpecState{.state = plisten,
        .start = start(listening), .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_abortive = kClose},

    // 1.4, 1.5 "LISTEN" and 1.6; 0.4 LV24: start is answered and moves the ownership; LV27: what
    // cannot be accepted is an ERR to the owner (of the rest, too: it is told before); 0.3 "error
    // event": ERR, CLOSE.
    SpecState{.state = listening,
        .start = transfer(listening), .hold = to(listening_held),
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_abortive = kClose,
        .accepted = stay(Emit::accept), .accept_failed = kError,
        .accept_starved = to(accept_paused), .read_failed = kErrorClose},

    // 1.4 "LISTEN", S pause: the kernel's backlog fills. 1.5: HUP is CLOSE.
    SpecState{.state = listening_held,
        .start = transfer(listening), .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_abortive = kClose,
        .read_failed = kErrorClose, .hung_up = kClose},

    // 0.4 LV27: the spare descriptor is tried again later. Start (LV24) does not shorten the rest.
    SpecState{.state = accept_paused,
        .start = transfer(accept_paused), .hold = to(listening_held),
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_abortive = kClose,
        .read_failed = kErrorClose, .hung_up = kClose, .deadline = to(listening)},

    // 1.4 "PACCEPT"; 0.3: it is not in the poller; 0.2: accept_timeout.
    SpecState{.state = paccept,
        .start = start(connected), .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_abortive = kClose,
        .deadline = kClose},

    // 1.4 and 1.5 "CONNECTED tcp" and "BIND", 1.5a, 1.5b; 0.2: closing, and a peer's FIN; 0.3:
    // "error event" and "write error"; 0.5: hand-over.
    SpecState{.state = connected,
        .start = transfer(connected), .hold = to(connected_held),
        .hand_over = to(handing_over, Emit::handover), .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kNone,
        .close_flushed = linger(), .close_final = kClose, .close_pending = to(draining),
        .close_abortive = kClose,
        .received = stay(Emit::data), .eof = to(halfclose_read, Emit::close),
        .read_failed = kErrorClose,
        .drained = kNone, .write_failed = to(halfclose_write, Emit::error, Act::drop_queue)},

    // The same; 0.2: it learns of RST and hang-up at once (what was received comes first), of a FIN
    // not before start.
    SpecState{.state = connected_held,
        .start = transfer(connected), .hold = kNone,
        .hand_over = to(handing_over, Emit::handover), .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kNone,
        .close_flushed = linger(), .close_final = kClose, .close_pending = to(draining),
        .close_abortive = kClose,
        .received = stay(Emit::data), .read_failed = kErrorClose,
        .drained = kNone, .write_failed = to(halfclose_write_held, Emit::error, Act::drop_queue),
        .hung_up = kClose},

    // 1.4 and 1.5 "HALFCLOSE_READ", closing=0: CLOSE was told. 1.10 rule 3: an ERR may follow;
    // rule 4: "FIN then our write to a dead peer: CLOSE, ERR, slot freed by itself". 0.5: the next
    // owner hears of the FIN, too.
    SpecState{.state = halfclose_read,
        .start = kClosed, .hold = kNone,
        .hand_over = to(handing_over, Emit::handover), .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kNone,
        .close_final = kSilentEnd, .close_pending = to(draining_silent),
        .close_abortive = kSilentEnd,
        .read_failed = kLastError,
        .drained = kNone, .write_failed = kLastError, .hung_up = kSilentEnd},

    // 1.4 and 1.5 "HALFCLOSE_WRITE", which counts as nothing pending (1.3); 0.4 LV24, LV28 (arming
    // is ignored); 0.3 "write error": what was received is delivered, then exactly one CLOSE, at
    // EOF or hang-up, at the latest a second later. The ERR was told (LV23: once).
    SpecState{.state = halfclose_write,
        .start = transfer(halfclose_write), .hold = to(halfclose_write_held),
        .hand_over = to(handing_over, Emit::handover), .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_abortive = kClose,
        .received = stay(Emit::data), .eof = kClose, .read_failed = kClose,
        .deadline = kClose},

    SpecState{.state = halfclose_write_held,
        .start = transfer(halfclose_write), .hold = kNone,
        .hand_over = to(handing_over, Emit::handover), .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kSet, .set_address = kNone,
        .close_final = kClose, .close_abortive = kClose,
        .received = stay(Emit::data), .read_failed = kClose,
        .hung_up = kClose, .deadline = kClose},

    // 0.5 hand-over (not in 1.4 and 1.5): held, output goes on, what is given back is kept. The
    // next start waits; part 4, 8: a second one is answered nevertheless. A write error is told to
    // the next owner.
    SpecState{.state = handing_over,
        .start = adopt(handing_over_started), .hold = kNone,
        .hand_over = kNone, .give_back = kKeep, .hand_over_done = to(handed_over),
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kNone,
        .close_flushed = linger(), .close_final = kClose, .close_pending = to(draining),
        .close_abortive = kClose,
        .read_failed = kErrorClose,
        .drained = kNone, .write_failed = kLoseQueue, .deadline = kClose},

    SpecState{.state = handing_over_started,
        .start = kBusy, .hold = kNone,
        .hand_over = kNone, .give_back = kKeep,
        .hand_over_done = to(connected, Emit::open_transfer, Act::deliver_unread),
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kNone,
        .close_flushed = linger(), .close_final = kClose, .close_pending = to(draining),
        .close_abortive = kClose,
        .read_failed = kErrorClose,
        .drained = kNone, .write_failed = kLoseQueue, .deadline = kClose},

    SpecState{.state = handed_over,
        .start = transfer(connected), .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kNone,
        .close_flushed = linger(), .close_final = kClose, .close_pending = to(draining),
        .close_abortive = kClose,
        .read_failed = kErrorClose,
        .drained = kNone, .write_failed = kLoseQueue, .deadline = kClose},

    // 0.2 "draining", for 1.4 "HALFCLOSE_READ", closing=1: what comes is dropped, a FIN only ends
    // the reading, CLOSE with the last byte or when there cannot be one. 1.10 rule 4: a RST after
    // the close is no ERR.
    SpecState{.state = draining,
        .start = kClosed, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kFlush, .set_option = kNone, .set_address = kNone,
        .close_pending = kNone, .close_abortive = kClose,
        .received = kFree, .eof = to(draining_eof), .read_failed = kClose,
        .drained = linger(), .drained_final = kClose, .write_failed = kClose, .deadline = kClose},

    // After the peer's FIN nothing lingers.
    SpecState{.state = draining_eof,
        .start = kClosed, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kFlush, .set_option = kNone, .set_address = kNone,
        .close_pending = kNone, .close_abortive = kClose,
        .read_failed = kClose,
        .drained_final = kClose, .write_failed = kClose, .hung_up = kClose, .deadline = kClose},

    // 0.2 "draining_silent": CLOSE was told before, there is no second one.
    SpecState{.state = draining_silent,
        .start = kClosed, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kFlush, .set_option = kNone, .set_address = kNone,
        .close_pending = kNone, .close_abortive = kSilentEnd,
        .read_failed = kSilentEnd,
        .drained_final = kSilentEnd, .write_failed = kSilentEnd, .hung_up = kSilentEnd,
        .deadline = kSilentEnd},

    // 0.2 "lingering": the id is gone for its owner, so commands are those of a stale id.
    SpecState{.state = lingering,
        .start = kInvalid, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kNone, .set_option = kNone, .set_address = kNone,
        .close_final = kNone, .close_abortive = kNone,
        .received = kFree, .eof = kSilentEnd, .read_failed = kSilentEnd,
        .deadline = kSilentEnd},

    // 1.4 and 1.5 "CONNECTED udp", 1.5c; 0.2 "UDP": an ICMP error is an ERR and ends nothing. What
    // does end it (the idle time, the poller) is 0.3 "error event".
    SpecState{.state = udp,
        .start = transfer(udp), .hold = to(udp_held),
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kStore,
        .close_final = kClose, .close_pending = to(udp_draining), .close_abortive = kClose,
        .datagram = stay(Emit::udp), .read_failed = kErrorClose, .udp_failed = kError,
        .drained = kNone},

    SpecState{.state = udp_held,
        .start = transfer(udp), .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kQueue, .arm_write = kFlush, .set_option = kSet, .set_address = kStore,
        .close_final = kClose, .close_pending = to(udp_draining), .close_abortive = kClose,
        .read_failed = kErrorClose, .udp_failed = kError,
        .drained = kNone},

    // 0.2 "draining"; a datagram that is lost after the close is nobody's.
    SpecState{.state = udp_draining,
        .start = kClosed, .hold = kNone,
        .hand_over = kNone, .give_back = kFree, .hand_over_done = kNone,
        .send = kFree, .arm_write = kFlush, .set_option = kNone, .set_address = kNone,
        .close_pending = kNone, .close_abortive = kClose,
        .read_failed = kClose, .udp_failed = kNone,
        .drained_final = kClose, .deadline = kClose},
};
// clang-format on

consteval bool has_every_state_in_order() {
  for (std::size_t at = 0; at < kTable.size(); ++at) {
    if (static_cast<std::size_t>(kTable[at].state) != at) return false;
  }
  return kTable.size() == kStateCount;
}
static_assert(has_every_state_in_order());

}  // namespace spec

/// What the specification says of `input` in `state`.
constexpr const SpecCell& spec_cell(State state, Input input) {
  const SpecState& of = spec::kTable[static_cast<std::size_t>(state)];
  return of.*kSpecMembers[static_cast<std::size_t>(input)];
}

}  // namespace skysock
