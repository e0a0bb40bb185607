#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/block.hpp"
#include "core/net/polled_socket.hpp"
#include "core/net/types.hpp"

namespace skysock {

/// What the ring completed for a socket and nobody took: its watch has changed since, or the turn
/// was over.
struct KeptForSocket {
  std::deque<Block> received;
  std::deque<int> accepted;
  std::optional<int> end;  ///< Behind what was received: 0, the stream's, or an errno.
};

/// That of all sockets, and who is to be looked at for it with the next batch. Few have any at a
/// time. Registration::kept and ::due say which. Reactor thread only.
class UringKept {
 public:
  /// The socket's, which may be a fresh one.
  KeptForSocket& of(const PolledSocket& socket) {
    socket.registration.kept = true;
    return kept_[socket.id];
  }

  /// Requires: it has some. Descriptors in it are the caller's to close.
  KeptForSocket take(const PolledSocket& socket) {
    socket.registration.kept = false;
    return std::move(kept_.extract(socket.id).mapped());
  }

  /// The socket is looked at with the next batch.
  void look_at(const PolledSocket& socket) {
    if (!socket.registration.due) due_.push_back(socket.id);
    socket.registration.due = true;
  }

  [[nodiscard]] bool has_due() const { return !due_.empty(); }
  /// Calls `report(id)` for those who are due; whoever looks resets Registration::due.
  template <typename Report>
  void report_due(Report report) {
    for (const SocketId id : due_) report(id);
    due_.clear();
  }

 private:
  std::unordered_map<SocketId, KeptForSocket> kept_;
  std::vector<SocketId> due_;
};

}  // namespace skysock
