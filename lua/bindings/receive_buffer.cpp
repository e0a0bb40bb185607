#include "lua/bindings/receive_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.hpp"

namespace skysock::lua {

void ReceiveBuffer::push(Block block) noexcept {
  if (block.empty()) return;
  compact();
  size_ += block.size();
  blocks_.push_back(std::move(block));
}

// Drops used-up places when they are the larger half: each block is moved at most once on average.
void ReceiveBuffer::compact() noexcept {
  if (first_ == 0 || first_ * 2 < blocks_.size()) return;
  blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(first_));
  if (search_) search_->block -= first_;
  first_ = 0;
}

const char* ReceiveBuffer::contiguous(std::size_t count) const noexcept {
  SKYSOCK_CHECK(count > 0 && count <= size_);
  const std::string_view head = blocks_[first_].text().substr(offset_);
  return head.size() >= count ? head.data() : nullptr;
}

void ReceiveBuffer::copy_to(char* into, std::size_t count) const noexcept {
  SKYSOCK_CHECK(count <= size_);
  std::size_t skip = offset_;
  for (std::size_t block = first_; count > 0; ++block, skip = 0) {
    const std::string_view text = blocks_[block].text().substr(skip, count);
    std::memcpy(into, text.data(), text.size());
    into += text.size();
    count -= text.size();
  }
}

void ReceiveBuffer::drop(std::size_t count) noexcept {
  SKYSOCK_CHECK(count <= size_);
  size_ -= count;
  while (count > 0) {
    const std::size_t left = blocks_[first_].size() - offset_;
    if (count < left) {
      offset_ += count;
      break;
    }
    count -= left;
    blocks_[first_++] = Block();
    offset_ = 0;
  }
  forget_places_when_empty();
  rewind_search();
}

Block ReceiveBuffer::take_block() noexcept {
  SKYSOCK_CHECK(size_ > 0);
  Block block = std::move(blocks_[first_++]);
  block.remove_prefix(std::exchange(offset_, 0));
  size_ -= block.size();
  forget_places_when_empty();
  rewind_search();
  return block;
}

void ReceiveBuffer::forget_places_when_empty() noexcept {
  if (size_ > 0) return;
  blocks_.clear();
  first_ = 0;
}

void ReceiveBuffer::clear() noexcept { *this = ReceiveBuffer(); }

void ReceiveBuffer::rewind_search() noexcept {
  if (!search_) return;
  search_->block = first_;
  search_->offset = offset_;
  search_->before = 0;
}

std::optional<std::size_t> ReceiveBuffer::find(std::string_view separator) noexcept {
  SKYSOCK_CHECK(!separator.empty());
  if (separator != this->separator()) {
    if (!search_) search_ = std::make_unique<Search>();
    search_->separator = separator;
    rewind_search();
  }
  return find_again();
}

std::optional<std::size_t> ReceiveBuffer::find_again() noexcept {
  SKYSOCK_CHECK(search_ != nullptr);
  for (;;) {
    skip_to_first_byte(search_->separator.front());
    if (search_->block == blocks_.size()) return std::nullopt;
    switch (match_here(search_->separator)) {
      case Match::yes:
        return search_->before;
      case Match::needs_more:
        return std::nullopt;
      case Match::no:
        ++search_->offset;
        ++search_->before;
    }
  }
}

void ReceiveBuffer::skip_to_first_byte(char wanted) noexcept {
  while (search_->block < blocks_.size()) {
    const std::string_view text = blocks_[search_->block].text().substr(search_->offset);
    const std::size_t hit = text.find(wanted);
    search_->before += std::min(hit, text.size());
    if (hit != std::string_view::npos) {
      search_->offset += hit;
      return;
    }
    ++search_->block;
    search_->offset = 0;
  }
}

ReceiveBuffer::Match ReceiveBuffer::match_here(std::string_view separator) const noexcept {
  std::size_t skip = search_->offset;
  for (std::size_t block = search_->block; block < blocks_.size(); ++block, skip = 0) {
    const std::string_view text = blocks_[block].text().substr(skip, separator.size());
    if (!separator.starts_with(text)) return Match::no;
    separator.remove_prefix(text.size());
    if (separator.empty()) return Match::yes;
  }
  return Match::needs_more;
}

}  // namespace skysock::lua
