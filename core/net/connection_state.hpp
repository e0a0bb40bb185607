#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// The life of a socket as a table: what is not a rule is a bug. The proofs that the table is
// complete are in connection_rules.hpp; the reactor does nothing but look its rules up and carry
// them out, and core/net/RULES.md is printed from them (a test compares).

namespace skysock {

enum class State : std::uint8_t {
  free,                 ///< No socket.
  reserved,             ///< The id is handed out, its create command is on the way.
  reserved_draining,    ///< reserved, and the owner closed with output pending.
  plisten,              ///< Listens, accepts nothing before start.
  listening,            ///< Accepts.
  accept_paused,        ///< listening, but descriptors or memory ran out: tries again soon.
  paccept,              ///< Accepted, reads nothing before start.
  connecting,           ///< connect(2) in progress.
  connecting_draining,  ///< connecting, and the owner closed with output pending.
  connected,            ///< Reads and writes.
  halfclose_read,       ///< The peer sent FIN and CLOSE was reported; we may still write.
  halfclose_write,  ///< Our writes fail and ERR was reported; what was received is still delivered.
  draining,         ///< The owner closed, output pending, CLOSE due.
  draining_eof,     ///< draining, and the peer sent FIN.
  draining_silent,  ///< The owner closed after CLOSE was reported, output pending.
  lingering,        ///< All sent and SHUT_WR done, CLOSE reported: waits for the peer's EOF.
};
inline constexpr std::size_t kStateCount = static_cast<std::size_t>(State::lingering) + 1;

enum class Input : std::uint8_t {
  // Commands.
  start,            ///< 'S'.
  send,             ///< 'D', 'P'.
  close_flushed,    ///< 'K' soft, after one attempt to send nothing is pending.
  close_pending,    ///< 'K' soft, output is pending.
  close_abortive,   ///< 'K' abortive, after one attempt to send.
  listen_ready,     ///< 'L', the descriptor listens.
  connect_started,  ///< 'O', connect(2) is in progress.
  create_failed,    ///< 'L' or 'O' failed at once.
  // Completed I/O.
  connect_ok,  ///< At once or later.
  connect_failed,
  accepted,        ///< One connection.
  accept_failed,   ///< A connection was refused: a descriptor or a slot was lacking.
  accept_starved,  ///< Not even that is possible: the backlog stays as it is.
  received,        ///< Bytes.
  eof,             ///< The peer's FIN.
  read_failed,     ///< read(2) failed or SO_ERROR was set.
  drained,         ///< The last byte of output was handed to the kernel.
  write_failed,
  hung_up,  ///< Both directions are gone, without an error.
  // The rest.
  deadline,    ///< The time limit of the state has passed.
  owner_gone,  ///< An event was refused: nobody lives at the owner's handle.
};
inline constexpr std::size_t kInputCount = static_cast<std::size_t>(Input::owner_gone) + 1;

/// What the rule tells the owner (the requester, where it says so).
enum class Emit : std::uint8_t {
  nothing,
  open,              ///< OPEN: bound address and port, or the peer's address.
  open_start,        ///< OPEN "start", to the requester (who is the owner now).
  open_transfer,     ///< OPEN "transfer", to the requester (who is the owner now).
  accept,            ///< ACCEPT.
  data,              ///< DATA.
  close,             ///< CLOSE, ud 0.
  error,             ///< ERR.
  error_then_close,  ///< ERR, then CLOSE.
  error_invalid,     ///< ERR "invalid socket", to the requester.
  error_closed,      ///< ERR "socket closed", to the requester.
};

/// What else the rule does. Leaving for `free` closes the descriptor and frees the queue without
/// being told to.
enum class Act : std::uint8_t {
  nothing,
  own,           ///< The requester becomes the owner.
  queue,         ///< The payload joins the write queue.
  drop,          ///< The payload, the received bytes or the descriptor at hand are freed.
  drop_queue,    ///< The write queue is freed: nothing more can be written.
  finish_write,  ///< SHUT_WR.
};

/// In state `from`, `input` leads to state `to`; the owner hears `emit` first, then `act` is done.
struct Rule {
  State from;
  Input input;
  State to;
  Emit emit = Emit::nothing;
  Act act = Act::nothing;
};

/// Which time limit runs in a state.
enum class Deadline : std::uint8_t { none, accept, drain, linger, halfclose_write, accept_retry };
inline constexpr std::size_t kDeadlineCount = static_cast<std::size_t>(Deadline::accept_retry) + 1;

/// What the poller does with a socket in a state.
enum class Watch : std::uint8_t {
  nothing,  ///< Not registered.
  accept,   ///< Completes accepts.
  connect,  ///< Completes the connect.
  read,     ///< Completes reads; errors and hang-ups come with them.
  hang_up,  ///< Reading is over: only errors and hang-ups.
};

/// What holds in a state, apart from its rules.
struct StateTraits {
  State state;
  std::string_view name;
  Watch watch = Watch::nothing;
  bool sendable = false;   ///< send() is accepted: output is queued.
  bool flushes = false;    ///< Queued output is written when the kernel takes it.
  bool close_due = false;  ///< The id is usable and CLOSE was not reported yet.
  Deadline deadline = Deadline::none;
};

const StateTraits& traits(State state);
std::string_view to_text(State state);
std::string_view to_text(Input input);
std::string_view to_text(Emit emit);
std::string_view to_text(Act act);

/// The rule for `input` in `state`, or nullptr when the input cannot occur there. Cost: one table
/// look-up.
const Rule* find_rule(State state, Input input);

/// The table as Markdown: the text of core/net/RULES.md.
std::string rules_as_markdown();

}  // namespace skysock
