#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "lua/bindings/frame_queue.hpp"

namespace skysock::lua {

/// What FrameQueue has to give, said with one flat string per socket.
class FlatFrames {
 public:
  struct Item {
    SocketId id = 0;
    bool refused = false;
    std::size_t size = 0;
    std::string payload;
  };

  explicit FlatFrames(FrameFormat format) : format_(format) {}

  void take(SocketId id, std::string_view bytes) {
    if (refused_.contains(id)) return;
    std::string& stream = streams_[id];
    stream += bytes;
    while (stream.size() >= format_.header_bytes) {
      std::size_t size = 0;
      for (unsigned at = 0; at < format_.header_bytes; ++at) {
        size = size * 256 + static_cast<unsigned char>(stream[at]);
      }
      if (size > format_.frame_bytes_max) return refuse(id, size);
      if (stream.size() < format_.header_bytes + size) return;
      items_.push_back(
          {.id = id, .size = size, .payload = stream.substr(format_.header_bytes, size)});
      stream.erase(0, format_.header_bytes + size);
    }
  }

  void drop(SocketId id) {
    streams_.erase(id);
    refused_.erase(id);
  }

  /// Whether `id` is in the middle of a frame.
  bool in_frame(SocketId id) { return !streams_[id].empty(); }

  /// Bytes of frames that are not whole, headers included.
  [[nodiscard]] std::size_t unfinished_bytes() const {
    std::size_t bytes = 0;
    for (const auto& [id, stream] : streams_) bytes += stream.size();
    return bytes;
  }

  std::deque<Item>& items() { return items_; }

 private:
  void refuse(SocketId id, std::size_t size) {
    items_.push_back({.id = id, .refused = true, .size = size});
    streams_.erase(id);
    refused_.insert(id);
  }

  FrameFormat format_;
  std::map<SocketId, std::string> streams_;
  std::set<SocketId> refused_;
  std::deque<Item> items_;
};

}  // namespace skysock::lua
