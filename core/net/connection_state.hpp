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
  free,                  ///< No socket.
  reserved,              ///< The id is handed out, its create command is on the way.
  reserved_draining,     ///< reserved, and the owner closed with output pending.
  resolving,             ///< The resolver looks the host name up.
  resolving_held,        ///< resolving, and reading is to be held once connected.
  resolving_draining,    ///< resolving, and the owner closed with output pending.
  connecting,            ///< connect(2) in progress.
  connecting_held,       ///< connecting, and reading is to be held once connected.
  connecting_draining,   ///< connecting, and the owner closed with output pending.
  plisten,               ///< Listens, accepts nothing before start.
  listening,             ///< Accepts.
  listening_held,        ///< listening, but the owner holds it: the backlog fills.
  accept_paused,         ///< listening, but descriptors or memory ran out: tries again soon.
  paccept,               ///< Accepted, reads nothing before start.
  connected,             ///< Reads and writes: TCP, or a borrowed descriptor.
  connected_held,        ///< connected, but the owner holds it: only errors and hang-ups are seen.
  halfclose_read,        ///< The peer sent FIN and CLOSE was reported; we may still write.
  halfclose_write,       ///< Our writes fail, ERR was reported; what was received is delivered.
  halfclose_write_held,  ///< halfclose_write, and the owner holds it.
  handing_over,          ///< The owner gives it up and still gives back what it had received.
  handing_over_started,  ///< handing_over, and the next owner waits for its start to be answered.
  handed_over,           ///< Everything was given back; waits for a start.
  draining,              ///< The owner closed, output pending, CLOSE due.
  draining_eof,          ///< draining, and the peer sent FIN.
  draining_silent,       ///< The owner closed after CLOSE was reported, output pending.
  lingering,             ///< All sent and SHUT_WR done, CLOSE reported: waits for the peer's EOF.
  udp,                   ///< A datagram socket.
  udp_held,              ///< udp, but the owner holds it.
  udp_draining,          ///< udp, and the owner closed with output pending.
};
inline constexpr std::size_t kStateCount = static_cast<std::size_t>(State::udp_draining) + 1;

enum class Input : std::uint8_t {
  // Commands.
  start,           ///< 'S'.
  hold,            ///< 'H'.
  hand_over,       ///< 'H', the owner gives the socket up.
  give_back,       ///< 'H', with bytes that the owner received and did not use.
  hand_over_done,  ///< 'H', or the owner ended: nothing more is given back.
  send,            ///< 'D', 'P', 'A'.
  arm_write,       ///< 'W': a direct write left a remainder.
  set_option,      ///< 'T'.
  set_address,     ///< 'C'.
  close_flushed,   ///< 'K' soft, nothing is pending, the peer may still be read.
  close_final,     ///< 'K' soft, nothing is pending, and there is nothing to linger for.
  close_pending,   ///< 'K' soft, output is pending.
  close_abortive,  ///< 'K' abortive, after one attempt to send.
  // Creation.
  listen_ready,     ///< 'L', the descriptor listens.
  udp_ready,        ///< 'U', 'N'.
  bound,            ///< 'B'.
  resolve_started,  ///< 'O' with a name.
  connect_started,  ///< connect(2) is in progress, to the first or the next address.
  connect_ok,       ///< At once or later.
  create_failed,    ///< 'L', 'B', 'U', 'N', the resolver or the last address failed.
  // Completed I/O.
  accepted,        ///< One connection.
  accept_failed,   ///< A connection was refused: a descriptor or a slot was lacking.
  accept_starved,  ///< Not even that is possible: the backlog stays as it is.
  received,        ///< Bytes.
  datagram,        ///< One datagram.
  eof,             ///< The peer's FIN.
  read_failed,     ///< read(2) or epoll_ctl(2) failed, SO_ERROR was set, or silence was too long.
  udp_failed,      ///< A datagram could not be sent, or an ICMP error came.
  drained,         ///< Nothing is pending any more.
  drained_final,   ///< The same, and there is nothing to linger for.
  write_failed,
  hung_up,  ///< Both directions are gone, without an error.
  // The rest.
  deadline,  ///< The time limit of the state has passed.
};
inline constexpr std::size_t kInputCount = static_cast<std::size_t>(Input::deadline) + 1;

/// What the rule tells the owner (the requester, where it says so).
enum class Emit : std::uint8_t {
  nothing,
  open,              ///< OPEN: bound address and port, the peer's address, or "binding".
  open_start,        ///< OPEN "start", to the requester (who is the owner now).
  open_transfer,     ///< OPEN "transfer", to the requester (who is the owner now).
  accept,            ///< ACCEPT.
  data,              ///< DATA.
  udp,               ///< UDP.
  handover,          ///< HANDOVER, to the old owner.
  close,             ///< CLOSE, ud 0.
  error,             ///< ERR.
  error_then_close,  ///< ERR, then CLOSE.
  error_invalid,     ///< ERR "invalid socket", to the requester.
  error_closed,      ///< ERR "socket closed", to the requester.
  error_busy,        ///< ERR "socket is being handed over", to the requester.
};

/// What else the rule does. Leaving for `free` closes the descriptor and frees the queue without
/// being told to.
enum class Act : std::uint8_t {
  nothing,
  own,             ///< The requester becomes the owner, and gets what was given back.
  deliver_unread,  ///< The owner gets what was given back.
  keep,            ///< The payload joins what was given back.
  queue,           ///< The payload joins the write queue.
  drop,            ///< The payload, the received bytes or the descriptor at hand are freed.
  drop_queue,      ///< The write queue is freed: nothing more can be written.
  flush,           ///< One attempt to write what is queued.
  set_option,
  set_address,
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
  nothing,   ///< Not registered.
  accept,    ///< Completes accepts.
  connect,   ///< Completes the connect.
  read,      ///< Completes reads; errors and hang-ups come with them.
  held,      ///< Reads only what is left when an error or a hang-up comes.
  hang_up,   ///< Reading is over: only errors and hang-ups.
  datagram,  ///< Completes reads of datagrams.
  output,    ///< Registered only while output is pending.
};

/// How send() treats a socket in a state.
enum class SendMode : std::uint8_t {
  refused,
  queued,  ///< Through the reactor.
  direct,  ///< On the calling thread when nothing is pending.
};

/// What holds in a state, apart from its rules.
struct StateTraits {
  State state;
  std::string_view name;
  Watch watch = Watch::nothing;
  SendMode send = SendMode::refused;
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
