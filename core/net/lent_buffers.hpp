#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/block.hpp"
#include "core/net/read_buffers.hpp"
#include "core/sys/uring.hpp"

namespace skysock {

/// The buffers that a ring reads into, lent to it until it has filled one. All connections share
/// them: few at first, so that they stay in the cache, and twice as many whenever the ring had none
/// left. Reactor thread only.
template <typename Ring>
class LentBuffers {
 public:
  static constexpr std::uint16_t kCountMax = 1'024;

  /// Requires: it outlives the ring. Nothing is lent before the first grow().
  explicit LentBuffers(std::size_t bytes_max) : bytes_(std::min(bytes_max, kBytesMax)) {}

  /// The first `count` bytes of a buffer that came back, as a block of their own; it is lent again.
  Block take(Ring& ring, std::uint16_t buffer, std::size_t count) {
    Block& lent = buffers_[buffer];
    Block taken;
    if (ReadBuffers::is_copied(bytes_, count)) {
      taken = Block::copy_of(lent.bytes().first(count));
    } else {
      taken = std::exchange(lent, Block(bytes_));
      taken.shorten(count);
    }
    give_back(ring, buffer);
    return taken;
  }

  void give_back(Ring& ring, std::uint16_t buffer) { ring.lend(buffer, buffers_[buffer].bytes()); }

  /// The ring had none left.
  void grow(Ring& ring) {
    const std::size_t wanted = std::max(2 * buffers_.size(), kCountAtFirst);
    while (buffers_.size() < std::min<std::size_t>(wanted, kCountMax)) {
      buffers_.emplace_back(bytes_);
      give_back(ring, static_cast<std::uint16_t>(buffers_.size() - 1));
    }
  }

 private:
  /// A larger read takes several.
  static constexpr std::size_t kBytesMax = 16'384;
  static constexpr std::size_t kCountAtFirst = 32;

  std::size_t bytes_;  ///< Of each.
  std::vector<Block> buffers_;
};

}  // namespace skysock
