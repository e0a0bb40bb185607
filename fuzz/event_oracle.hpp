#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "core/net/event.hpp"

namespace skysock::fuzz {

/// What was reported about one id.
struct Life {
  bool usable = false;    ///< OPEN or ACCEPT was seen.
  bool closed = false;    ///< CLOSE was seen.
  bool failed = false;    ///< The ERR of a failed open was seen: terminal.
  bool orphaned = false;  ///< An event for its owner was refused: silence from there on.
  int errors = 0;         ///< ERR that were no answers.
  int errors_after_close = 0;
  std::string data;  ///< All DATA.

  [[nodiscard]] bool over() const { return closed || failed || orphaned; }
};

/// Holds the events of one server against their language:
/// per id (OPEN|ERR!) (DATA|ERR|start|transfer)* CLOSE (ERR)?, for accepted ids ACCEPT first.
/// Answers to requesters who need not be the owner may come at any time and for any id. A broken
/// rule fails a CHECK.
class EventOracle {
 public:
  /// The server handed `id` out to a caller.
  void id_issued(SocketId id);
  /// `refused`: the sink said that nobody lives at event.to.
  void take(const Event& event, bool refused);

  [[nodiscard]] const std::map<SocketId, Life>& lives() const { return lives_; }
  [[nodiscard]] const Life* find(SocketId id) const;
  /// Peer's "ip:port" -> id of the connection accepted from it.
  [[nodiscard]] const std::map<std::string, SocketId>& accepted() const { return accepted_; }
  /// Depends on every event, its bytes and the order.
  [[nodiscard]] std::uint64_t trace() const { return trace_; }
  [[nodiscard]] std::size_t events() const { return events_; }

 private:
  void take_open(Life& life, std::string_view text);
  void take_accept(const Event& event, Life& listener, bool refused);
  void take_error(Life& life);
  void mix(const Event& event);

  std::map<SocketId, Life> lives_;
  std::map<std::string, SocketId> accepted_;
  std::uint64_t trace_ = 0;
  std::size_t events_ = 0;
};

}  // namespace skysock::fuzz
