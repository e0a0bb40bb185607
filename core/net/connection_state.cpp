#include "core/net/connection_state.hpp"

#include <fmt/format.h>

#include "core/net/connection_rules.hpp"

namespace skysock {

const StateTraits& traits(State state) { return detail::traits_of(state); }

std::string_view to_text(State state) { return traits(state).name; }

std::string_view to_text(Input input) {
  switch (input) {
    case Input::start:
      return "start";
    case Input::hold:
      return "hold";
    case Input::hand_over:
      return "hand_over";
    case Input::give_back:
      return "give_back";
    case Input::hand_over_done:
      return "hand_over_done";
    case Input::send:
      return "send";
    case Input::arm_write:
      return "arm_write";
    case Input::set_option:
      return "set_option";
    case Input::set_address:
      return "set_address";
    case Input::close_flushed:
      return "close_flushed";
    case Input::close_final:
      return "close_final";
    case Input::close_pending:
      return "close_pending";
    case Input::close_abortive:
      return "close_abortive";
    case Input::listen_ready:
      return "listen_ready";
    case Input::udp_ready:
      return "udp_ready";
    case Input::bound:
      return "bound";
    case Input::resolve_started:
      return "resolve_started";
    case Input::connect_started:
      return "connect_started";
    case Input::connect_ok:
      return "connect_ok";
    case Input::create_failed:
      return "create_failed";
    case Input::accepted:
      return "accepted";
    case Input::accept_failed:
      return "accept_failed";
    case Input::accept_starved:
      return "accept_starved";
    case Input::received:
      return "received";
    case Input::datagram:
      return "datagram";
    case Input::eof:
      return "eof";
    case Input::read_failed:
      return "read_failed";
    case Input::udp_failed:
      return "udp_failed";
    case Input::drained:
      return "drained";
    case Input::drained_final:
      return "drained_final";
    case Input::write_failed:
      return "write_failed";
    case Input::hung_up:
      return "hung_up";
    case Input::deadline:
      return "deadline";
  }
  return "not an Input";
}

std::string_view to_text(Emit emit) {
  switch (emit) {
    case Emit::nothing:
      return "";
    case Emit::open:
      return "OPEN";
    case Emit::open_start:
      return "OPEN \"start\"";
    case Emit::open_transfer:
      return "OPEN \"transfer\"";
    case Emit::accept:
      return "ACCEPT";
    case Emit::data:
      return "DATA";
    case Emit::udp:
      return "UDP";
    case Emit::handover:
      return "HANDOVER";
    case Emit::close:
      return "CLOSE";
    case Emit::error:
      return "ERR";
    case Emit::error_then_close:
      return "ERR, CLOSE";
    case Emit::error_invalid:
      return "ERR \"invalid socket\"";
    case Emit::error_closed:
      return "ERR \"socket closed\"";
    case Emit::error_busy:
      return "ERR \"socket is being handed over\"";
  }
  return "not an Emit";
}

std::string_view to_text(Act act) {
  switch (act) {
    case Act::nothing:
      return "";
    case Act::own:
      return "own";
    case Act::deliver_unread:
      return "deliver unread";
    case Act::keep:
      return "keep";
    case Act::queue:
      return "queue";
    case Act::drop:
      return "drop";
    case Act::drop_queue:
      return "drop queue";
    case Act::flush:
      return "flush";
    case Act::set_option:
      return "set option";
    case Act::set_address:
      return "set address";
    case Act::finish_write:
      return "SHUT_WR";
  }
  return "not an Act";
}

const Rule* find_rule(State state, Input input) { return detail::rule_of(state, input); }

std::string rules_as_markdown() {
  std::string text =
      "# The rules of a socket's life\n\n"
      "Printed from `core/net/connection_rules.hpp` by `net_test --print-rules`; a test compares. "
      "An (input, state)\n"
      "pair without a row cannot occur, which is proved at compile time.\n\n"
      "| state | input | next state | the owner hears | and |\n|---|---|---|---|---|\n";
  for (const auto& row : detail::kCells) {
    for (const detail::Cell& cell : row) {
      if (!cell.possible) continue;
      const Rule& rule = cell.rule;
      text += fmt::format("| {} | {} | {} | {} | {} |\n", to_text(rule.from), to_text(rule.input),
                          to_text(rule.to), to_text(rule.emit), to_text(rule.act));
    }
  }
  return text;
}

}  // namespace skysock
