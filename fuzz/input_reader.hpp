#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace skysock::fuzz {

/// Reads a fuzzer's input from front to back; past the end every byte is 0, so an input that was
/// cut is still one.
class InputReader {
 public:
  explicit InputReader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  std::uint8_t byte() {
    if (rest_.empty()) {
      ++read_past_end_;
      return 0;
    }
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }

  /// 0 to `count` - 1. Requires: 0 < count <= 256.
  std::size_t below(std::size_t count) { return byte() % count; }

  /// At most `count` bytes: fewer at the end of the input.
  std::span<const std::byte> bytes(std::size_t count) {
    const auto taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return std::as_bytes(taken);
  }

  /// What was not read yet.
  [[nodiscard]] std::span<const std::uint8_t> rest() const { return rest_; }

  /// Bytes that were asked for and not there.
  [[nodiscard]] std::size_t read_past_end() const { return read_past_end_; }

 private:
  std::span<const std::uint8_t> rest_;
  std::size_t read_past_end_ = 0;
};

}  // namespace skysock::fuzz
