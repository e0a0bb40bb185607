#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace skysock {

/// The bytes of every one-way stream repeat after this many. A prime, so that messages of any usual
/// size differ from their neighbours, and small, so that comparing stays in the first-level cache.
inline constexpr std::size_t kPatternPeriod = 4093;

/// The largest message that stream_bytes() can give in one piece.
inline constexpr std::size_t kStreamMessageBytesMax = 65'536;

/// The bytes [offset, offset + size) of the endless pattern; the span lives for ever.
/// Requires: size <= kStreamMessageBytesMax.
std::span<const std::byte> stream_bytes(std::uint64_t offset, std::size_t size);

}  // namespace skysock
