#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/net/types.hpp"

namespace skysock::lua {

struct FreeMemory {
  void operator()(std::byte* memory) const noexcept { std::free(memory); }
};
/// Memory of malloc(), so that Lua can pass it on as a pointer and anybody can free() it.
using MallocedBytes = std::unique_ptr<std::byte, FreeMemory>;

/// The payload of one frame, in order of arrival. Without `data`: the stream of `id` announced a
/// frame of `size` bytes, more than the limit, and nothing else will come from it.
struct Frame {
  SocketId id = 0;
  MallocedBytes data;
  std::size_t size = 0;
};

/// How frames are cut: a big-endian length of `header_bytes` (2 or 4), then so many bytes.
struct FrameFormat {
  unsigned header_bytes = 2;
  std::size_t frame_bytes_max = 65'535;
};

/// Cuts the byte streams of many sockets into frames. Knows nothing of Lua, so that it is tested
/// against flat strings.
///
/// A frame is copied once, from the block that was received. One that is not whole yet holds
/// 4 KiB or twice the bytes that came, whatever its header says; what is too long is never held.
/// Invariant: a socket has a Partial only while it is in the middle of a frame or was refused.
/// One thread at a time. Memory that cannot be had ends the process (std::bad_alloc out of
/// noexcept).
/// Source: struct queue and struct uncomplete of lua-netpack.c.
class FrameQueue {
 public:
  enum class Found : unsigned char {
    nothing,  ///< No frame is whole yet.
    one,      ///< Exactly one frame, or refusal, is in the queue, and no byte beyond it.
    more,     ///< Several are, or bytes of another frame follow.
  };

  /// Requires: no socket is known and nothing is in the queue.
  void set_format(FrameFormat format) noexcept { format_ = format; }
  [[nodiscard]] FrameFormat format() const noexcept { return format_; }

  /// What `id` received. Cost: one allocation and one copy per frame.
  Found take(SocketId id, std::span<const std::byte> bytes) noexcept;

  /// The oldest frame. Cost: constant.
  std::optional<Frame> pop() noexcept;

  /// Forgets what `id` received of a frame that is not whole; its whole frames stay.
  void drop(SocketId id) noexcept { partials_.erase(id); }

  /// Memory of the frames that are not whole. Cost: linear in their number.
  [[nodiscard]] std::size_t held_bytes() const noexcept;

  /// Forgets everything but the format, and gives all memory back.
  void clear() noexcept;

 private:
  /// The front of a frame.
  struct Partial {
    std::array<std::byte, 4> header{};
    unsigned header_bytes = 0;
    bool refused = false;
    MallocedBytes data;
    std::size_t size = 0;  // Known once the header is whole.
    std::size_t received = 0;
    std::size_t room = 0;
  };

  Partial take_partial(SocketId id) noexcept;
  bool read_header(Partial& partial, std::span<const std::byte>& bytes) const noexcept;
  bool advance(Partial& partial, std::span<const std::byte>& bytes) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return frames_.size() - first_; }

  FrameFormat format_;
  std::unordered_map<SocketId, Partial> partials_;
  std::vector<Frame> frames_;  // [0, first_) was popped.
  std::size_t first_ = 0;
};

}  // namespace skysock::lua
