#include "bench/load/pattern.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/prng.hpp"

namespace skysock::load {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

std::uint64_t base_of(const MessageKey& key) {
  return mix64(mix64(mix64(key.seed) + key.connection) + key.message);
}

}  // namespace

void fill_pattern(const MessageKey& key, std::size_t offset, std::span<std::byte> into) {
  const std::uint64_t base = base_of(key);
  while (!into.empty()) {
    const std::uint64_t word = mix64(base + offset / kWord);
    std::array<std::byte, kWord> bytes{};
    std::memcpy(bytes.data(), &word, kWord);
    const std::size_t skip = offset % kWord;
    const std::size_t count = std::min(kWord - skip, into.size());
    std::memcpy(into.data(), bytes.data() + skip, count);
    into = into.subspan(count);
    offset += count;
  }
}

std::optional<Mismatch> find_mismatch(const MessageKey& key, std::size_t offset,
                                      std::span<const std::byte> received) {
  std::array<std::byte, 4096> expected;  // NOLINT: filled before it is read, and hot.
  while (!received.empty()) {
    const std::size_t count = std::min(expected.size(), received.size());
    fill_pattern(key, offset, std::span(expected).first(count));
    const auto [want, got] = std::mismatch(
        expected.begin(), expected.begin() + static_cast<long>(count), received.begin());
    const auto at = static_cast<std::size_t>(want - expected.begin());
    if (at != count) return Mismatch{offset + at, *want, *got};
    received = received.subspan(count);
    offset += count;
  }
  return std::nullopt;
}

}  // namespace skysock::load
