#include "core/net/connection_state.hpp"

#include <fmt/format.h>

#include "core/net/connection_rules.hpp"

namespace skysock {

const StateTraits& traits(State state) { return kTraits[detail::index(state)]; }

std::string_view to_text(State state) { return traits(state).name; }

std::string_view to_text(Input input) {
  switch (input) {
    case Input::start:
      return "start";
    case Input::send:
      return "send";
    case Input::close_flushed:
      return "close_flushed";
    case Input::close_pending:
      return "close_pending";
    case Input::close_abortive:
      return "close_abortive";
    case Input::listen_ready:
      return "listen_ready";
    case Input::connect_started:
      return "connect_started";
    case Input::create_failed:
      return "create_failed";
    case Input::connect_ok:
      return "connect_ok";
    case Input::connect_failed:
      return "connect_failed";
    case Input::accepted:
      return "accepted";
    case Input::accept_failed:
      return "accept_failed";
    case Input::accept_starved:
      return "accept_starved";
    case Input::received:
      return "received";
    case Input::eof:
      return "eof";
    case Input::read_failed:
      return "read_failed";
    case Input::drained:
      return "drained";
    case Input::write_failed:
      return "write_failed";
    case Input::hung_up:
      return "hung_up";
    case Input::deadline:
      return "deadline";
    case Input::owner_gone:
      return "owner_gone";
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
  }
  return "not an Emit";
}

std::string_view to_text(Act act) {
  switch (act) {
    case Act::nothing:
      return "";
    case Act::own:
      return "own";
    case Act::queue:
      return "queue";
    case Act::drop:
      return "drop";
    case Act::drop_queue:
      return "drop queue";
    case Act::finish_write:
      return "SHUT_WR";
  }
  return "not an Act";
}

const Rule* find_rule(State state, Input input) {
  const std::int16_t at = detail::kRuleIndex[detail::index(state)][detail::index(input)];
  return at < 0 ? nullptr : &kRules[static_cast<std::size_t>(at)];
}

std::string rules_as_markdown() {
  std::string text =
      "# The rules of a socket's life\n\n"
      "Printed from `core/net/connection_rules.hpp` by `net_test --print-rules`; a test compares. "
      "An (input, state)\n"
      "pair without a row cannot occur, which is proved at compile time.\n\n"
      "| state | input | next state | the owner hears | and |\n|---|---|---|---|---|\n";
  for (const Rule& rule : kRules) {
    text += fmt::format("| {} | {} | {} | {} | {} |\n", to_text(rule.from), to_text(rule.input),
                        to_text(rule.to), to_text(rule.emit), to_text(rule.act));
  }
  return text;
}

}  // namespace skysock
