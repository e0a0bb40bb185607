// What does it cost to queue messages and to describe them to the kernel again, when it takes all
// at once and when it takes parts? The copy of a message into its block is included, as a sender
// makes it; the system call is left out.

#include <algorithm>
#include <array>
#include <vector>

#include "bench/harness.hpp"
#include "bench/settings.hpp"
#include "core/base/stream_pattern.hpp"
#include "core/net/write_queue.hpp"

namespace skysock::bench {
namespace {

/// What the reactor describes at a time.
constexpr std::size_t kGather = 64;

struct Flushed {
  std::uint64_t bytes = 0;
  std::uint64_t gathers = 0;
  bool right = true;
};

/// Whether a gathered part is what the stream has at `offset`: its ends, and the first `whole`
/// bytes.
bool is_pattern(const iovec& part, std::uint64_t offset, std::size_t whole) {
  const auto* bytes = static_cast<const std::byte*>(part.iov_base);
  const std::size_t end = std::min(part.iov_len, whole);
  for (std::size_t at = 0; at < end; at += kStreamMessageBytesMax) {
    const std::size_t size = std::min(end - at, kStreamMessageBytesMax);
    if (!std::ranges::equal(stream_bytes(offset + at, size), std::span(bytes + at, size))) {
      return false;
    }
  }
  return bytes[0] == stream_bytes(offset, 1)[0] &&
         bytes[part.iov_len - 1] == stream_bytes(offset + part.iov_len - 1, 1)[0];
}

/// Takes at most `part_max` bytes at a time, as a full kernel buffer does; `whole`: every byte that
/// is taken is checked.
Flushed flush(WriteQueue& queue, std::size_t part_max, bool whole) {
  Flushed flushed;
  std::array<iovec, kGather> room;
  while (!queue.empty()) {
    std::uint64_t offered = 0;
    for (const iovec& part : queue.gather(room)) {
      const std::size_t checked = whole ? part_max - std::min<std::size_t>(offered, part_max) : 0;
      flushed.right &= is_pattern(part, flushed.bytes + offered, checked);
      offered += part.iov_len;
    }
    const std::size_t taken = std::min<std::size_t>(offered, part_max);
    queue.consume(taken);
    flushed.bytes += taken;
    ++flushed.gathers;
  }
  return flushed;
}

void push(WriteQueue& queue, std::size_t bytes, std::size_t messages) {
  for (std::size_t message = 0; message < messages; ++message) {
    queue.push(Block::copy_of(stream_bytes(message * bytes, bytes)), Priority::high);
  }
}

void BM_WriteQueue(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const auto messages = static_cast<std::size_t>(state.range(1));
  const std::size_t part_max =
      state.range(2) == 0 ? SIZE_MAX : static_cast<std::size_t>(state.range(2));
  const std::uint64_t expected = bytes * messages;
  WriteQueue queue;
  push(queue, bytes, messages);
  Flushed flushed = flush(queue, part_max, true);
  bool right = flushed.right && flushed.bytes == expected;
  for (auto _ : state) {
    push(queue, bytes, messages);
    flushed = flush(queue, part_max, false);
    right &= flushed.right && flushed.bytes == expected;
  }
  if (!right) return fail(state, "bytes were lost, changed or out of order in the queue");
  const auto batches = static_cast<std::int64_t>(state.iterations());
  state.SetItemsProcessed(batches * static_cast<std::int64_t>(messages));
  state.SetBytesProcessed(batches * static_cast<std::int64_t>(expected));
  state.counters["gathers_per_batch"] = static_cast<double>(flushed.gathers);
}

}  // namespace

void register_write_queue() {
  describe(
      "micro: sockets", "BM_WriteQueue",
      "messages queued, described to the kernel and taken, whole (part:0) or N bytes at a time");
  auto* const added = benchmark::RegisterBenchmark("BM_WriteQueue", BM_WriteQueue);
  added->ArgNames({"bytes", "messages", "part"});
  if (settings().full) {
    added->ArgsProduct({{16, 64, 1'024, 16'384, 65'536}, {1, 16, 64, 256}, {0, 1'460, 65'536}});
  } else {
    added->Args({64, 1, 0})->Args({64, 64, 0})->Args({64, 64, 1'460});
    added->Args({16'384, 1, 0})->Args({16'384, 64, 0})->Args({16'384, 64, 65'536});
  }
}

}  // namespace skysock::bench
