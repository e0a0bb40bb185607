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
}  // namespace

void WriteQueue::List::pop() {
  blocks[head] = Block();
  ++head;
  if (empty()) {
    head = 0;
    blocks.clear();
    if (blocks.capacity() > kKeptCapacityMax) blocks.shrink_to_fit();
  } else if (head > kCompactAbove && head * 2 > blocks.size()) {
    blocks.erase(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(head));
    head = 0;
  }
}

void WriteQueue::List::push_front(Block block) {
  if (head > 0) {
    blocks[--head] = std::move(block);
  } else {
    blocks.insert(blocks.begin(), std::move(block));
  }
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
  (to_high ? high_ : low_).blocks.push_back(std::move(payload));
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
      // Everything high is gone, so a low message is the next: it becomes high before it can be
      // cut.
      high_.blocks.push_back(std::move(low_.front()));
      low_.pop();
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
  front_sent_ = 0;
  bytes_ = 0;
}

}  // namespace skysock
