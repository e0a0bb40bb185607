#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace skysock::load {

/// Names one message. Its bytes are a window of one endless pattern whose place is a function of
/// these, so a byte that was lost, doubled, moved or given to another connection is seen: two
/// messages agree by chance once in 65,521 times, and no two places of one message agree.
struct MessageKey {
  std::uint64_t seed = 0;
  std::uint64_t connection = 0;
  std::uint64_t message = 0;
};

/// The bytes of a message repeat after this many. A prime, so that a block of any usual size that
/// is lost or moved shifts the rest; the table stays in the second-level cache.
inline constexpr std::size_t kPatternPeriod = 65'521;

/// The most that pattern_bytes() gives in one piece.
inline constexpr std::size_t kPatternPieceMax = 65'536;

/// The bytes [offset, offset + size) of the message, without making them: the span lives for ever.
/// Requires: size <= kPatternPieceMax.
std::span<const std::byte> pattern_bytes(const MessageKey& key, std::size_t offset,
                                         std::size_t size);

/// Copies the bytes [offset, offset + into.size()) of the message.
void fill_pattern(const MessageKey& key, std::size_t offset, std::span<std::byte> into);

struct Mismatch {
  std::size_t offset = 0;  ///< In the message.
  std::byte expected{};
  std::byte received{};
};

/// The first byte that is not the message's byte at its place, if any.
std::optional<Mismatch> find_mismatch(const MessageKey& key, std::size_t offset,
                                      std::span<const std::byte> received);

}  // namespace skysock::load
