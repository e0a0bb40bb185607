#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

namespace skysock {

namespace detail {

/// Blocks of up to these sizes come from short lists of the thread's own before they come from
/// malloc(), which was a tenth of our instructions in an echo of small messages. Two sizes, so that
/// a tiny payload does not hold a block it uses little of.
inline constexpr std::size_t kTinyBytes = 64;
inline constexpr std::size_t kSmallBytes = 256;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKYSOCK_KEEPS_SMALL_BLOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SKYSOCK_KEEPS_SMALL_BLOCKS 0
#endif
#endif
#ifndef SKYSOCK_KEEPS_SMALL_BLOCKS
#define SKYSOCK_KEEPS_SMALL_BLOCKS 1
#endif

/// Memory of `Bytes` each that a thread freed and will need again; freed when it ends.
template <std::size_t Bytes>
class KeptBlocks {
 public:
  static void* take() {
    Kept& kept = kept_;
    return kept.count > 0 ? kept.memory[--kept.count] : std::malloc(Bytes);
  }
  static void give(void* memory) {
    Kept& kept = kept_;
    if (kept.count < kept.room) {
      kept.memory[kept.count++] = memory;
    } else {
      give_first(memory);
    }
  }

 private:
  static constexpr std::size_t kKeptMax = 64;
  /// Without constructor and destructor, so that nobody asks on every use whether it is there.
  struct Kept {
    std::size_t count;
    std::size_t room;  ///< 0 before the first give() and once the thread ends.
    bool ended;
    void* memory[kKeptMax];
  };
  struct AtThreadEnd {
    AtThreadEnd() { kept_.room = kKeptMax; }
    AtThreadEnd(const AtThreadEnd&) = delete;
    AtThreadEnd& operator=(const AtThreadEnd&) = delete;
    ~AtThreadEnd() {
      while (kept_.count > 0) std::free(kept_.memory[--kept_.count]);
      kept_.room = 0;
      kept_.ended = true;
    }
  };

  [[gnu::noinline]] static void give_first(void* memory) {
    if (kept_.room == 0 && !kept_.ended) static thread_local const AtThreadEnd at_thread_end;
    if (kept_.count == kept_.room) return std::free(memory);
    kept_.memory[kept_.count++] = memory;
  }

  static inline constinit thread_local Kept kept_{};
};

}  // namespace detail

/// Owned bytes on their way between a kernel and a service. Move-only: who holds the Block frees
/// it, exactly once.
class Block {
 public:
  using Release = void (*)(void* object);

  /// Memory of at least this size starts at a multiple of 64: a 16 KiB read(2) into a buffer at
  /// offset 16 was measured at 14.5 us against 8.4 us for an aligned one.
  static constexpr std::size_t kAlignedFrom = 1'024;
  static constexpr std::size_t kAlignment = 64;

  Block() = default;

  /// Uninitialised room for `size` bytes. Cost: one allocation; none when `size` is 0.
  explicit Block(std::size_t size) : size_(size) {
    if (size == 0) return;
    std::size_t spare = 0;
    if (SKYSOCK_KEEPS_SMALL_BLOCKS == 0 || size > detail::kSmallBytes) {
      spare = size < kAlignedFrom ? 0 : kAlignment - 1;
      object_ = std::malloc(size + spare);
    } else if (size <= detail::kTinyBytes) {
      object_ = detail::KeptBlocks<detail::kTinyBytes>::take();
      release_ = &detail::KeptBlocks<detail::kTinyBytes>::give;
    } else {
      object_ = detail::KeptBlocks<detail::kSmallBytes>::take();
      release_ = &detail::KeptBlocks<detail::kSmallBytes>::give;
    }
    if (object_ == nullptr) throw std::bad_alloc();
    data_ = spare == 0 ? static_cast<std::byte*>(object_) : aligned(object_);
  }

  static Block copy_of(std::span<const std::byte> from) {
    Block block(from.size());
    if (!from.empty()) std::memcpy(block.data_, from.data(), from.size());
    return block;
  }

  static Block copy_of(std::string_view from) {
    return copy_of(std::as_bytes(std::span(from.data(), from.size())));
  }

  /// Takes over bytes that somebody else made: `release(object)` is called once, when the Block
  /// ends, on whichever thread that is. Source: struct socket_object_interface.
  static Block adopt(std::span<std::byte> bytes, void* object, Release release) {
    Block block;
    block.data_ = bytes.data();
    block.size_ = bytes.size();
    block.object_ = object;
    block.release_ = release;
    return block;
  }

  Block(Block&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        object_(std::exchange(other.object_, nullptr)),
        release_(std::exchange(other.release_, nullptr)) {}
  Block& operator=(Block&& other) noexcept {
    if (this == &other) return *this;
    free();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    object_ = std::exchange(other.object_, nullptr);
    release_ = std::exchange(other.release_, nullptr);
    return *this;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { free(); }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::span<std::byte> bytes() { return {data_, size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(data_), size_};
  }

  /// Forgets all but the first `count` bytes; the memory stays. Requires: count <= size().
  void shorten(std::size_t count) { size_ = count; }
  /// Takes back `count` bytes that shorten() forgot. Requires: so many were.
  void lengthen(std::size_t count) { size_ += count; }
  /// Forgets the first `count` bytes; the memory stays. Requires: count <= size().
  void remove_prefix(std::size_t count) {
    data_ += count;
    size_ -= count;
  }

 private:
  static std::byte* aligned(void* memory) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    const std::uintptr_t skip = (kAlignment - address % kAlignment) % kAlignment;
    return static_cast<std::byte*>(memory) + skip;
  }

  void free() noexcept {
    if (release_ != nullptr) {
      release_(object_);
    } else {
      std::free(object_);
    }
  }

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  void* object_ = nullptr;     ///< What malloc() gave, or the foreign object.
  Release release_ = nullptr;  ///< nullptr: free().
};

}  // namespace skysock
