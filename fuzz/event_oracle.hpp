#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/net/event.hpp"

namespace skysock::fuzz {

/// Unsent output at which the first WARNING is due.
inline constexpr std::int64_t kFirstWarningKib = 1'024;

/// What was reported about one id.
struct Life {
  bool usable = false;  ///< OPEN or ACCEPT was seen, or it is a datagram socket.
  bool datagrams = false;
  bool closed = false;    ///< CLOSE was seen.
  bool failed = false;    ///< The ERR of a failed open was seen: terminal.
  bool orphaned = false;  ///< An event for its owner was refused: silence from there on.
  bool handing = false;   ///< Between HANDOVER and the next owner's OPEN.
  int errors = 0;         ///< ERR that were no answers.
  int errors_after_close = 0;
  std::int64_t warned_kib = 0;  ///< Of the last WARNING; 0: none, or all was sent since.
  std::int64_t warn_at_kib = kFirstWarningKib;
  std::string data;        ///< All DATA, what was given back only once.
  std::string kept;        ///< Given back, not delivered again yet.
  std::string redelivery;  ///< What the next DATA must begin with.

  [[nodiscard]] bool over() const { return closed || failed || orphaned; }
};

/// Holds the events of one server against their language:
/// per id (OPEN|ERR!) (DATA|UDP|WARNING|ERR|start|transfer|HANDOVER transfer)* CLOSE
/// (ERR|WARNING)?, for accepted ids ACCEPT first. Answers to requesters who need not be the owner
/// may come at any time and for any id. A broken rule fails a CHECK.
class EventOracle {
 public:
  /// The server handed `id` out to a caller. A datagram socket is usable at once.
  void id_issued(SocketId id, bool datagrams = false);
  /// `refused`: the sink said that nobody lives at event.to.
  void take(const Event& event, bool refused);
  /// `id` has another owner now.
  void owner_changed(SocketId id);
  /// Its unsent output was freed, so that WARNING begins anew.
  void output_dropped(SocketId id);
  /// The server keeps bytes that the old owner gave back, for the next one.
  void kept(SocketId id, const std::string& text) { lives_.at(id).kept += text; }

  /// `service` asked for the end of `id` and waits for CLOSE.
  void answer_wanted(ServiceHandle service, SocketId id) { waiting_.insert({service, id}); }
  /// Whether a service that waited for CLOSE heard of it.
  [[nodiscard]] bool was_answered(ServiceHandle service, SocketId id) const {
    return heard_close_.contains({service, id});
  }
  [[nodiscard]] const std::set<std::pair<ServiceHandle, SocketId>>& waiting() const {
    return waiting_;
  }

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
  void take_data(Life& life, const Event& event);
  void take_error(Life& life);
  void take_warning(Life& life, std::int64_t kib);
  void take_handover(Life& life);
  void mix(const Event& event);

  std::map<SocketId, Life> lives_;
  std::map<std::string, SocketId> accepted_;
  std::set<std::pair<ServiceHandle, SocketId>> waiting_;
  std::set<std::pair<ServiceHandle, SocketId>> heard_close_;
  std::uint64_t trace_ = 0;
  std::size_t events_ = 0;
};

}  // namespace skysock::fuzz
