#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace skysock::load {

/// Names one message: every byte of it is a function of these and of its offset, so a byte that was
/// lost, doubled, moved or given to another connection is seen.
struct MessageKey {
  std::uint64_t seed = 0;
  std::uint64_t connection = 0;
  std::uint64_t message = 0;
};

/// Writes the bytes [offset, offset + into.size()) of the message. About 1 ns per 8 bytes.
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
