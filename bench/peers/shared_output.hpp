#pragma once

// What waits to be sent to a subscriber: each chunk is copied once, however many wait for it.

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace skysock::bench {

using SharedBytes = std::shared_ptr<const std::vector<std::byte>>;

inline SharedBytes share(std::span<const std::byte> bytes) {
  return std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
}

class OutputQueue {
 public:
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// Adds what follows the first `sent` bytes. Requires: that is not nothing.
  void push(SharedBytes chunk, std::size_t sent = 0) {
    bytes_ += chunk->size() - sent;
    pieces_.push_back({std::move(chunk), sent});
  }

  /// What is to be sent next; valid until it is all taken off. Requires: !empty().
  [[nodiscard]] std::span<const std::byte> front() const {
    return std::span(*pieces_.front().chunk).subspan(pieces_.front().sent);
  }

  /// Takes off the first `count` bytes of front().
  void remove(std::size_t count) {
    bytes_ -= count;
    pieces_.front().sent += count;
    if (pieces_.front().sent == pieces_.front().chunk->size()) pieces_.pop_front();
  }

 private:
  struct Piece {
    SharedBytes chunk;
    std::size_t sent;
  };
  std::deque<Piece> pieces_;
  std::size_t bytes_ = 0;
};

}  // namespace skysock::bench
