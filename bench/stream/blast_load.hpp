#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/work.hpp"

namespace skysock::bench {

struct BlastOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t fast = 16;                       ///< Readers that read whatever is there.
  std::size_t slow = 4;                        ///< Readers that read on a timetable.
  std::size_t slow_bytes = 65'536;             ///< The most that a slow one reads per period.
  std::chrono::milliseconds slow_period{10};   ///< The slow ones take turns within it.
  std::chrono::milliseconds deadline{10'000};  ///< For `open`, for each `run`, for any silence.
};

/// Readers of a server that streams to every connection as fast as it is read. Every byte is
/// checked; slow readers make the server wait for some while others read on. An operation is 16 KiB
/// received, by all readers together. One thread, the caller's. Any error leaves the load unusable.
///
/// Between two runs nothing is read: the server fills the buffers of the kernel and waits. Receive
/// buffers are of 128 KiB, so what it sent ahead is soon read. The end of the load resets its
/// connections, because bytes are unread.
class BlastLoad {
 public:
  static constexpr std::uint64_t kOperationBytes = 16'384;

  /// Connects all, in small groups, and reads the first bytes of each.
  [[nodiscard]] static load::Outcome<BlastLoad> open(BlastOptions options);

  /// Reads exactly `operations` times 16 KiB. Outcome: wall time.
  [[nodiscard]] load::Outcome<std::chrono::nanoseconds> run(std::uint64_t operations);

  /// Reads until `duration` has passed, and 16 KiB at least; a part of 16 KiB is not counted.
  [[nodiscard]] load::Outcome<load::Work> run_for(std::chrono::nanoseconds duration);

  /// Bytes since `open`, of all fast and of all slow readers.
  [[nodiscard]] std::uint64_t fast_bytes() const { return bytes_of(0, options_.fast); }
  [[nodiscard]] std::uint64_t slow_bytes() const { return bytes_of(options_.fast, options_.slow); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Reader {
    load::Fd fd;
    bool readable = false;
    std::uint64_t received = 0;            ///< Since `open`.
    std::chrono::nanoseconds last_byte{};  ///< When it came, in time of reading (`read_time_`).
    Time next_read;                        ///< Of a slow one.
  };

  BlastLoad(BlastOptions options, load::Target target, load::EdgePoll poll);

  [[nodiscard]] load::Outcome<void> connect_group(std::size_t first, std::size_t count,
                                                  Time deadline);
  /// Reads until `bytes` have come in this run or, when some have, until `end`.
  [[nodiscard]] load::Outcome<void> drive(std::uint64_t bytes_min, std::uint64_t bytes_max,
                                          Time end, Time deadline);
  /// One read of each fast reader that has something; false when none had.
  [[nodiscard]] load::Outcome<bool> read_fast(std::uint64_t bytes_max);
  /// Reads of the slow ones whose turn it is. Outcome: when the next one has its turn.
  [[nodiscard]] load::Outcome<Time> read_slow(Time now, std::uint64_t bytes_max);
  [[nodiscard]] load::Outcome<void> wait(Time until);
  /// At most `bytes_max` bytes, and no more than the buffer holds. Outcome: how many came.
  [[nodiscard]] load::Outcome<std::size_t> receive(std::size_t index, std::uint64_t bytes_max);
  [[nodiscard]] load::Outcome<void> check_silence() const;
  [[nodiscard]] std::uint64_t bytes_of(std::size_t first, std::size_t count) const;
  [[nodiscard]] std::string name(std::size_t index) const;

  BlastOptions options_;
  load::Target target_;
  load::EdgePoll poll_;
  std::vector<Reader> readers_;  ///< The fast ones, then the slow ones.
  std::vector<std::byte> buffer_;
  std::uint64_t received_ = 0;            ///< In this run.
  std::chrono::nanoseconds read_time_{};  ///< Of all runs: a server owes nothing between them.
};

}  // namespace skysock::bench
