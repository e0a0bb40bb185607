#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/net/types.hpp"

namespace skysock::fuzz {

/// Every datagram between the server and its peers: each arrives at most once, whole, where it was
/// sent to, and with the right source. A broken rule fails a CHECK. Endpoints are given as text.
class DatagramLedger {
 public:
  /// A send on `id` was accepted. `to` empty: wherever raw packets redirect it.
  void sent_by_us(SocketId id, const std::string& to, const std::string& text) {
    ours_.push_back({id, to, text});
  }
  /// The peer at `at` got it. Where it came from is that id's endpoint.
  void arrived(const std::string& at, const std::string& from, const std::string& text);

  /// `id` is bound to `local`.
  void bound(SocketId id, const std::string& local) { ids_[local] = id; }
  /// A peer sent `text` to one of our endpoints, where it was not dropped; nothing happens when
  /// nobody has it.
  void sent_by_peer(const std::string& from, const std::string& to, const std::string& text);
  /// The owner of `id` heard of it.
  void heard(SocketId id, const std::string& from, const std::string& text);

  /// Our endpoints that peers know of, in the order of their text.
  [[nodiscard]] std::vector<std::string> endpoints() const;
  /// Accepted for `to` and not arrived.
  [[nodiscard]] std::size_t under_way_to(const std::string& to) const;
  /// Sent to `id` and not heard of.
  [[nodiscard]] std::size_t under_way_to(SocketId id) const;

 private:
  struct Ours {
    SocketId id;
    std::string to;
    std::string text;
  };
  struct Theirs {
    SocketId id;
    std::string from;
    std::string text;
  };

  std::vector<Ours> ours_;
  std::vector<Theirs> theirs_;
  std::map<std::string, SocketId> ids_;  ///< By our endpoint; the last id that had it.
};

}  // namespace skysock::fuzz
