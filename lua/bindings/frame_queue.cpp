#include "lua/bindings/frame_queue.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace skysock::lua {
namespace {

constexpr std::size_t kFirstRoom = 4'096;   // Of a frame whose first bytes are fewer.
constexpr std::size_t kIdleFrames = 1'024;  // Room of an empty queue that is kept.

std::size_t big_endian(std::span<const std::byte> bytes) {
  std::size_t value = 0;
  for (const std::byte byte : bytes) value = value << 8U | std::to_integer<std::size_t>(byte);
  return value;
}

/// Takes up to `count` bytes off the front of `bytes`.
std::span<const std::byte> take_front(std::span<const std::byte>& bytes, std::size_t count) {
  const auto front = bytes.first(std::min(count, bytes.size()));
  bytes = bytes.subspan(front.size());
  return front;
}

void resize(MallocedBytes& memory, std::size_t size) {
  void* resized = std::realloc(memory.get(), size);
  if (resized == nullptr) throw std::bad_alloc();
  static_cast<void>(memory.release());
  memory.reset(static_cast<std::byte*>(resized));
}

}  // namespace

FrameQueue::Found FrameQueue::take(SocketId id, std::span<const std::byte> bytes) noexcept {
  const std::size_t before = size();
  Partial partial = take_partial(id);
  const bool was_refused = partial.refused;
  while (advance(partial, bytes)) {
    frames_.push_back({.id = id, .data = std::move(partial.data), .size = partial.size});
    partial = Partial();
  }
  if (partial.refused && !was_refused) frames_.push_back({.id = id, .size = partial.size});
  const bool in_frame = partial.header_bytes > 0 && !partial.refused;
  if (in_frame || partial.refused) partials_.emplace(id, std::move(partial));
  if (size() == before) return Found::nothing;
  return size() == 1 && !in_frame ? Found::one : Found::more;
}

FrameQueue::Partial FrameQueue::take_partial(SocketId id) noexcept {
  if (partials_.empty()) return {};
  const auto found = partials_.find(id);
  if (found == partials_.end()) return {};
  Partial partial = std::move(found->second);
  partials_.erase(found);
  return partial;
}

/// Whether the header is whole; judges it as soon as it is.
bool FrameQueue::read_header(Partial& partial, std::span<const std::byte>& bytes) const noexcept {
  if (partial.header_bytes == format_.header_bytes) return true;
  const auto taken = take_front(bytes, format_.header_bytes - partial.header_bytes);
  std::ranges::copy(taken, partial.header.begin() + partial.header_bytes);
  partial.header_bytes += static_cast<unsigned>(taken.size());
  if (partial.header_bytes < format_.header_bytes) return false;
  partial.size = big_endian(std::span(partial.header).first(format_.header_bytes));
  partial.refused = partial.size > format_.frame_bytes_max;
  return true;
}

/// Moves bytes into `partial`, until it is a whole frame (true) or they are used up. After a
/// refusal they are dropped: nobody knows where the next frame would begin.
bool FrameQueue::advance(Partial& partial, std::span<const std::byte>& bytes) const noexcept {
  const bool has_header = read_header(partial, bytes);
  if (!has_header || partial.refused) return false;
  const auto taken = take_front(bytes, partial.size - partial.received);
  const std::size_t needed = partial.received + taken.size();
  if (partial.data == nullptr || needed > partial.room) {
    const std::size_t grown = std::max({needed, 2 * partial.room, kFirstRoom});
    partial.room = std::min(partial.size, grown);
    resize(partial.data, std::max<std::size_t>(partial.room, 1));
  }
  std::ranges::copy(taken, partial.data.get() + partial.received);
  partial.received = needed;
  return needed == partial.size;
}

std::optional<Frame> FrameQueue::pop() noexcept {
  if (size() == 0) return std::nullopt;
  Frame frame = std::move(frames_[first_++]);
  if (first_ == frames_.size()) {
    first_ = 0;
    frames_.clear();
    if (frames_.capacity() > kIdleFrames) frames_.shrink_to_fit();
  }
  return frame;
}

std::size_t FrameQueue::held_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const auto& [id, partial] : partials_) bytes += partial.room;
  return bytes;
}

void FrameQueue::clear() noexcept {
  partials_ = decltype(partials_)();
  frames_ = decltype(frames_)();
  first_ = 0;
}

}  // namespace skysock::lua
