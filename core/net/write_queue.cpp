#include "core/net/write_queue.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace skysock {

namespace {
/// Above this many dead elements at the front the vector is compacted, once they are the majority.
constexpr std::size_t kCompactAbove = 64;
/// A list that grew past this gives its memory back when it runs empty.
constexpr std::size_t kKeptCapacityMax = 64;
/// Messages of up to this size share blocks,
constexpr std::size_t kSharedMessageMax = 1'024;
/// which grow by doubling up to this size.
constexpr std::size_t kSharedBlockMax = 4'096;
}  // namespace

void WriteQueue::List::push(Block block) {
  const std::size_t size = block.size();
  if (empty() || size > kSharedMessageMax) {
    blocks.push_back(std::move(block));
    room = 0;
    return;
  }
  Block* last = &blocks.back();
  if (room < size && last->size() + size <= kSharedBlockMax) {
    Block larger(std::min(2 * (last->size() + size), kSharedBlockMax));
    room = larger.size() - last->size();
    std::ranges::copy(last->bytes(), larger.bytes().begin());
    larger.shorten(last->size());
    *last = std::move(larger);
  }
  if (room < size) {
    blocks.push_back(std::move(block));
    room = 0;
    return;
  }
  last->lengthen(size);
  std::ranges::copy(block.bytes(), last->bytes().last(size).begin());
  room -= size;
}

void WriteQueue::List::pop() {
  blocks[head] = Block();
  ++head;
  if (empty()) {
    head = 0;
    room = 0;
    blocks.clear();
    if (blocks.capacity() > kKeptCapacityMax) blocks.shrink_to_fit();
  } else if (head > kCompactAbove && head * 2 > blocks.size()) {
    blocks.erase(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(head));
    head = 0;
  }
}

void WriteQueue::List::push_front(Block block) {
  if (empty()) return push(std::move(block));
  if (head > 0) {
    blocks[--head] = std::move(block);
  } else {
    blocks.insert(blocks.begin(), std::move(block));
  }
}

void WriteQueue::List::drop(std::size_t size) {
  front().remove_prefix(size);
  if (front().empty()) pop();
}

Block WriteQueue::List::take(std::size_t size) {
  const bool whole = front().size() == size;
  Block taken = whole ? std::move(front()) : Block::copy_of(front().bytes().first(size));
  if (whole) {
    pop();
  } else {
    drop(size);
  }
  return taken;
}

void WriteQueue::push_front(Block payload) {
  SKYSOCK_CHECK(front_sent_ == 0);
  if (payload.empty()) return;
  bytes_ += payload.size();
  high_.push_front(std::move(payload));
}

void WriteQueue::push(Block payload, Priority priority) {
  if (payload.empty()) return;
  const bool to_high = priority == Priority::high || empty();
  bytes_ += payload.size();
  if (!to_high) low_sizes_.push_back(static_cast<std::uint32_t>(payload.size()));
  (to_high ? high_ : low_).push(std::move(payload));
}

std::span<iovec> WriteQueue::gather(std::span<iovec> into) const {
  SKYSOCK_CHECK(!empty());
  SKYSOCK_CHECK(!into.empty());
  std::size_t used = 0;
  std::size_t skip = front_sent_;
  for (const List* list : {&high_, &low_}) {
    for (std::size_t at = list->head; at < list->blocks.size() && used < into.size(); ++at) {
      const std::span<const std::byte> rest = list->blocks[at].bytes().subspan(skip);
      skip = 0;
      into[used++] = {.iov_base = const_cast<std::byte*>(rest.data()), .iov_len = rest.size()};
    }
  }
  return into.first(used);
}

void WriteQueue::consume(std::size_t count) {
  SKYSOCK_CHECK(count <= bytes_);
  bytes_ -= count;
  while (count > 0) {
    if (high_.empty()) {
      const std::size_t size = low_sizes_.front();
      low_sizes_.pop_front();
      if (size <= count) {
        low_.drop(size);
        count -= size;
        continue;
      }
      // Everything high is gone, and this is the next to be cut: it becomes high.
      high_.push(low_.take(size));
    }
    const std::size_t left = high_.front().size() - front_sent_;
    const std::size_t taken = std::min(left, count);
    count -= taken;
    front_sent_ += taken;
    if (taken == left) {
      high_.pop();
      front_sent_ = 0;
    }
  }
}

void WriteQueue::clear() {
  high_ = {};
  low_ = {};
  low_sizes_ = {};
  front_sent_ = 0;
  bytes_ = 0;
}

}  // namespace skysock
