#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/prng.hpp"
#include "stress/ledger.hpp"

namespace skysock::stress {

/// How one connection behaves: a pure function of (seed, connection number), so a run can be
/// repeated.
struct Plan {
  std::uint64_t connection = 0;
  Ending ending = Ending::half_close;
  std::uint32_t messages = 1;         ///< Sent in all, unless the run ends first.
  std::uint32_t in_flight_max = 1;    ///< Messages sent and not yet wholly back.
  std::size_t message_bytes_max = 1;  ///< Sizes are log-uniform in [1, this].
  std::size_t write_bytes_max = 1;    ///< Bound of one send(2).
  std::size_t read_bytes_max = 1;     ///< Bound of one recv(2).
  int receive_buffer_bytes = 0;       ///< SO_RCVBUF, or 0 for the system's own.

  bool operator==(const Plan&) const = default;
};

inline constexpr std::size_t kWriteBytesMax = std::size_t{64} << 10U;
inline constexpr std::size_t kReadBytesMax = std::size_t{64} << 10U;

/// A size in [1, max], each power of two as likely as the next. Requires: max > 0.
std::uint64_t log_uniform(Prng& prng, std::uint64_t max);

/// The plan of connection number `connection`. Half of each client's numbers end with a half-close.
Plan make_plan(std::uint64_t seed, std::uint64_t connection, std::size_t message_bytes_max);

/// The stream that draws the sizes of a connection's messages and writes.
Prng sizes_of(std::uint64_t seed, std::uint64_t connection);

}  // namespace skysock::stress
