#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace skysock {

/// Owned bytes on their way between a kernel and a service. Move-only: who holds the Block frees
/// it, exactly once.
class Block {
 public:
  Block() = default;

  /// Uninitialised room for `size` bytes. Cost: one allocation; none when `size` is 0.
  explicit Block(std::size_t size)
      : bytes_(size == 0 ? nullptr : std::make_unique_for_overwrite<std::byte[]>(size)),
        size_(size) {}

  static Block copy_of(std::span<const std::byte> from) {
    Block block(from.size());
    if (!from.empty()) std::memcpy(block.bytes_.get(), from.data(), from.size());
    return block;
  }

  static Block copy_of(std::string_view from) {
    return copy_of(std::as_bytes(std::span(from.data(), from.size())));
  }

  Block(Block&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() = default;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::span<std::byte> bytes() { return {bytes_.get(), size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.get()), size_};
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace skysock
