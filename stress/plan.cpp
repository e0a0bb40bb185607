#include "stress/plan.hpp"

#include <algorithm>
#include <bit>

#include "core/base/check.hpp"

namespace skysock::stress {
namespace {

constexpr std::uint64_t kMessagesMax = 64;
constexpr std::uint64_t kInFlightMax = 8;
/// A small window fills the server's send buffer and makes it queue; below this size loopback
/// stalls on probe timers (its segments are 64 KiB) and the run would measure those.
constexpr int kSmallReceiveBufferBytes = 32 << 10;
constexpr std::uint64_t kSmallReceiveBufferOneIn = 8;
/// A stream of tiny reads and writes is the rare case: one connection in this many.
constexpr std::uint64_t kTinyPiecesOneIn = 8;
constexpr std::size_t kTinyPieceBytes = 64;
/// A plan of tiny pieces is shorter, or its system calls would be all that the run does.
constexpr std::size_t kTinyMessageBytesMax = 4096;

}  // namespace

std::uint64_t log_uniform(Prng& prng, std::uint64_t max) {
  SKYSOCK_CHECK(max > 0);
  const auto bits = prng.below(static_cast<std::uint64_t>(std::bit_width(max)));
  const std::uint64_t low = std::uint64_t{1} << bits;
  return std::min(max, low + prng.below(low));
}

Prng sizes_of(std::uint64_t seed, std::uint64_t connection) {
  return Prng(mix64(seed + 1) ^ mix64(connection));
}

Plan make_plan(std::uint64_t seed, std::uint64_t connection, std::size_t message_bytes_max) {
  Prng prng(mix64(seed + 2) ^ mix64(connection));
  Plan plan;
  plan.connection = connection;
  plan.ending = (connection % 2) == 0 ? Ending::half_close : Ending::drain_then_close;
  plan.messages = static_cast<std::uint32_t>(log_uniform(prng, kMessagesMax));
  plan.in_flight_max = static_cast<std::uint32_t>(1 + prng.below(kInFlightMax));
  const bool tiny = prng.below(kTinyPiecesOneIn) == 0;
  plan.message_bytes_max =
      tiny ? std::min(message_bytes_max, kTinyMessageBytesMax) : message_bytes_max;
  plan.write_bytes_max = tiny ? kTinyPieceBytes : kWriteBytesMax;
  plan.read_bytes_max = prng.below(kTinyPiecesOneIn) == 0 ? 1 + prng.below(4096) : kReadBytesMax;
  const bool small_window = prng.below(kSmallReceiveBufferOneIn) == 0;
  plan.receive_buffer_bytes = small_window ? kSmallReceiveBufferBytes : 0;
  return plan;
}

}  // namespace skysock::stress
