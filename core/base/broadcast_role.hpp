#pragma once

// The server's half of a broadcast: every server that is compared gives the same roles and cuts off
// the same subscribers.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace skysock {

/// What the first byte of a connection says it is; the server answers with that byte.
enum class BroadcastRole : std::uint8_t {
  unknown,     ///< It has not sent a byte.
  subscriber,  ///< 's': gets what publishers send from now on. What it sends is dropped.
  publisher,   ///< 'p': every further byte goes to all who subscribe at that moment.
  probe,       ///< Any other byte: nothing more is done.
};

/// A subscriber that would have more than this waiting in the server is closed: one that does not
/// read neither holds the others up nor eats the memory.
inline constexpr std::size_t kSubscriberBytesMax = 4 << 20;

/// What became of the bytes of one read.
struct BroadcastInput {
  std::optional<std::byte> answer;       ///< The first byte of the connection, to be sent back.
  std::span<const std::byte> published;  ///< To be sent to all subscribers.
};

/// Takes what a connection sent, which may end or begin anywhere; `role` is its own.
inline BroadcastInput take_broadcast(BroadcastRole& role, std::span<const std::byte> bytes) {
  BroadcastInput input;
  if (role == BroadcastRole::unknown && !bytes.empty()) {
    input.answer = bytes.front();
    role = bytes.front() == std::byte{'s'}   ? BroadcastRole::subscriber
           : bytes.front() == std::byte{'p'} ? BroadcastRole::publisher
                                             : BroadcastRole::probe;
    bytes = bytes.subspan(1);
  }
  if (role == BroadcastRole::publisher) input.published = bytes;
  return input;
}

}  // namespace skysock
