#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/block.hpp"

namespace skysock::lua {

/// What one socket received and nobody read yet: blocks in order of arrival, read as one flat byte
/// string. Knows nothing of Lua, so that it is tested against std::string.
///
/// Invariant: size() is the sum of the blocks' bytes minus the consumed head of the first one.
/// An empty or cleared buffer behaves as a new one. One thread at a time. Memory that cannot be had
/// ends the process (std::bad_alloc out of noexcept): no half-done change is ever seen by Lua.
class ReceiveBuffer {
 public:
  /// Appends `block` without copying it. Cost: amortised constant.
  void push(Block block) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The first `count` bytes if they lie in one block, else nullptr. Requires: 0 < count <= size().
  [[nodiscard]] const char* contiguous(std::size_t count) const noexcept;

  /// Copies the first `count` bytes to `into`. Requires: count <= size().
  void copy_to(char* into, std::size_t count) const noexcept;

  /// Forgets the first `count` bytes; frees every block as soon as it is used up.
  /// Requires: count <= size().
  void drop(std::size_t count) noexcept;

  /// Takes the first block out, without what was dropped of it. Requires: size() > 0.
  [[nodiscard]] Block take_block() noexcept;

  /// Forgets all bytes and gives all memory back.
  void clear() noexcept;

  /// Offset of the first `separator`, wherever block boundaries lie. Remembers how far it looked:
  /// asking again after every push costs, in total, one pass over the bytes (times the separator's
  /// length in the worst case). Requires: separator is not empty.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view separator) noexcept;

  /// The same once more, for the separator of the last find(). Requires: there was one.
  [[nodiscard]] std::optional<std::size_t> find_again() noexcept;
  [[nodiscard]] std::string_view separator() const noexcept {
    return search_ ? std::string_view(search_->separator) : std::string_view();
  }

  /// Bytes at the front where the separator of the last find() certainly does not begin: a line
  /// that is still incomplete is at least this long.
  [[nodiscard]] std::size_t scanned() const noexcept { return search_ ? search_->before : 0; }

 private:
  enum class Match : unsigned char { yes, no, needs_more };

  /// Where find() goes on: a place in the blocks, and its distance from the front. Most buffers are
  /// never searched, and there are many.
  struct Search {
    std::size_t block = 0;
    std::size_t offset = 0;
    std::size_t before = 0;
    std::string separator;
  };

  void compact() noexcept;
  void forget_places_when_empty() noexcept;
  void rewind_search() noexcept;
  void skip_to_first_byte(char wanted) noexcept;
  [[nodiscard]] Match match_here(std::string_view separator) const noexcept;

  std::vector<Block> blocks_;  // [0, first_) is used up and freed.
  std::size_t first_ = 0;
  std::size_t offset_ = 0;  // Consumed bytes of blocks_[first_].
  std::size_t size_ = 0;
  std::unique_ptr<Search> search_;
};

}  // namespace skysock::lua
