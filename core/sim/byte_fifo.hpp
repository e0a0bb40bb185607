#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace skysock {

/// Bytes in the order in which they were pushed: what a pipe or one direction of a connection
/// holds.
class ByteFifo {
 public:
  [[nodiscard]] std::size_t size() const { return bytes_.size() - head_; }
  [[nodiscard]] bool empty() const { return size() == 0; }

  void push(std::span<const std::byte> from) {
    bytes_.insert(bytes_.end(), from.begin(), from.end());
  }

  /// Moves the oldest bytes to `into`, as many as there are and fit; returns how many. Cost: linear
  /// in what is moved, amortised.
  std::size_t pop(std::span<std::byte> into) {
    const std::span<const std::byte> held = std::span<const std::byte>(bytes_).subspan(head_);
    const std::size_t count = std::min(into.size(), held.size());
    std::copy_n(held.begin(), count, into.begin());
    head_ += count;
    if (head_ * 2 < bytes_.size()) return count;
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
    return count;
  }

  /// Forgets all but the oldest `count` bytes.
  void keep_oldest(std::size_t count) {
    if (count < size()) bytes_.resize(head_ + count);
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t head_ = 0;  ///< Bytes before it were popped. Invariant: head_ <= bytes_.size().
};

}  // namespace skysock
