#include "bench/load/pattern.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock::load {
namespace {

std::vector<std::byte> make_table() {
  std::vector<std::byte> table(kPatternPeriod + kPatternPieceMax);
  for (std::size_t at = 0; at < table.size(); ++at) {
    table[at] = static_cast<std::byte>(mix64(at % kPatternPeriod));
  }
  return table;
}

std::uint64_t place_of(const MessageKey& key) {
  return mix64(mix64(mix64(key.seed) + key.connection) + key.message) % kPatternPeriod;
}

}  // namespace

std::span<const std::byte> pattern_bytes(const MessageKey& key, std::size_t offset,
                                         std::size_t size) {
  static const std::vector<std::byte> table = make_table();
  SKYSOCK_CHECK(size <= kPatternPieceMax);
  return std::span(table).subspan((place_of(key) + offset) % kPatternPeriod, size);
}

void fill_pattern(const MessageKey& key, std::size_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const auto piece = pattern_bytes(key, offset, std::min(into.size(), kPatternPieceMax));
    std::memcpy(into.data(), piece.data(), piece.size());
    into = into.subspan(piece.size());
    offset += piece.size();
  }
}

std::optional<Mismatch> find_mismatch(const MessageKey& key, std::size_t offset,
                                      std::span<const std::byte> received) {
  while (!received.empty()) {
    const auto want = pattern_bytes(key, offset, std::min(received.size(), kPatternPieceMax));
    if (std::memcmp(want.data(), received.data(), want.size()) != 0) {
      const auto [expected, got] = std::ranges::mismatch(want, received);
      return Mismatch{offset + static_cast<std::size_t>(expected - want.begin()), *expected, *got};
    }
    received = received.subspan(want.size());
    offset += want.size();
  }
  return std::nullopt;
}

}  // namespace skysock::load
