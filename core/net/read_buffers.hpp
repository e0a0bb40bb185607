#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>

#include "core/base/block.hpp"

namespace skysock {

/// Where reads go: one spare buffer per size, shared by all connections, and a size per connection
/// that follows what its peer sends.
///
/// A big read is handed over as it is and the next one of that size gets new memory; a small one is
/// copied into a block that fits, so that nothing keeps a block it uses less than a quarter of.
/// Reactor thread only.
class ReadBuffers {
 public:
  /// Reads below this are cheaper to copy than to allocate anew for.
  static constexpr std::size_t kCopyBelow = 1'024;

  /// Whether `count` bytes in a buffer of `size` are worth less than the buffer.
  static constexpr bool is_copied(std::size_t size, std::size_t count) {
    return count < kCopyBelow || count * 4 < size;
  }

  /// Requires: both are powers of two, first <= max.
  ReadBuffers(std::size_t first, std::size_t max)
      : first_(static_cast<std::uint32_t>(first)), max_(static_cast<std::uint32_t>(max)) {}

  /// What a fresh connection starts with.
  [[nodiscard]] std::uint32_t first_size() const { return first_; }

  std::span<std::byte> room(std::uint32_t size) {
    Block& spare = spares_[spare_of(size)];
    if (spare.empty()) spare = Block(size);
    return spare.bytes();
  }

  /// The first `count` bytes that were read into room(size), as a block of their own.
  Block take(std::uint32_t size, std::size_t count) {
    Block& spare = spares_[spare_of(size)];
    if (is_copied(size, count)) return Block::copy_of(spare.bytes().first(count));
    Block full = std::exchange(spare, Block());
    full.shorten(count);
    return full;
  }

  /// The size for the next read after one of `count` bytes: doubled when it was full, halved when
  /// less than half was used. Source: forward_message_tcp().
  [[nodiscard]] std::uint32_t next_size(std::uint32_t size, std::size_t count) const {
    if (count == size) return std::min(size * 2, max_);
    return count * 2 < size && size > first_ ? size / 2 : size;
  }

 private:
  static std::size_t spare_of(std::uint32_t size) {
    return static_cast<std::size_t>(std::bit_width(size));
  }

  std::uint32_t first_;
  std::uint32_t max_;
  std::array<Block, 33> spares_;
};

}  // namespace skysock
