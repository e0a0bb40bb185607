#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "core/base/prng.hpp"

namespace skysock::stress {

/// What every byte of one connection must be: a pure function of (seed, connection, offset).
///
/// Words of eight bytes are mix64(key + word number). mix64 is a bijection, so no aligned word
/// occurs twice in a stream: data that is lost, repeated, swapped or taken from another connection
/// cannot look right.
class Pattern {
 public:
  static_assert(std::endian::native == std::endian::little, "words are laid out in memory order");

  constexpr Pattern(std::uint64_t seed, std::uint64_t connection)
      : key_(mix64(mix64(seed) ^ connection)) {}

  constexpr std::uint8_t byte_at(std::uint64_t offset) const {
    return static_cast<std::uint8_t>(word(offset / kWordBytes) >> (8U * (offset % kWordBytes)));
  }

  /// Writes the bytes of offsets [offset, offset + into.size()). Cost: one mix64 per 8 bytes.
  void fill(std::uint64_t offset, std::span<std::byte> into) const {
    while (!into.empty()) {
      const Piece piece = piece_at(offset, into.size());
      std::memcpy(into.data(), piece.bytes.data() + piece.begin, piece.size);
      into = into.subspan(piece.size);
      offset += piece.size;
    }
  }

  /// The index in `bytes` of the first byte that is not the one of its offset; nothing when all
  /// are.
  std::optional<std::size_t> first_difference(std::uint64_t offset,
                                              std::span<const std::byte> bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const Piece piece = piece_at(offset + done, bytes.size() - done);
      const std::byte* expected = piece.bytes.data() + piece.begin;
      if (std::memcmp(bytes.data() + done, expected, piece.size) != 0) {
        const auto* end = expected + piece.size;
        const auto at = std::mismatch(expected, end, bytes.data() + done).first;
        return done + static_cast<std::size_t>(at - expected);
      }
      done += piece.size;
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

  /// The part of one word that covers an offset: bytes [begin, begin + size) of it.
  struct Piece {
    std::array<std::byte, kWordBytes> bytes;
    std::size_t begin;
    std::size_t size;
  };

  constexpr std::uint64_t word(std::uint64_t number) const { return mix64(key_ + number); }

  Piece piece_at(std::uint64_t offset, std::size_t wanted) const {
    const auto begin = static_cast<std::size_t>(offset % kWordBytes);
    return {std::bit_cast<std::array<std::byte, kWordBytes>>(word(offset / kWordBytes)), begin,
            std::min(wanted, kWordBytes - begin)};
  }

  std::uint64_t key_;
};

}  // namespace skysock::stress
