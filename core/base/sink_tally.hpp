#pragma once

// The server's half of a one-way stream: every sink (the C++ service and the benchmarks' plain
// server) counts and compares with this, so that neither does less work than the other.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace skysock {

/// What the client sends first on each connection.
struct SinkHeader {
  std::uint64_t pattern_offset = 0;  ///< Where in the pattern the stream begins.
  std::uint64_t report_every = 0;    ///< Bytes after which the server reports; 0: never.
  bool operator==(const SinkHeader&) const = default;
};

/// What the server sends back when due; all figures count from the first byte after the header.
struct SinkReport {
  static constexpr std::uint64_t kNothingWrong = ~std::uint64_t{0};

  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;  ///< Reads (plain server) or data messages (service) they came in.
  std::uint64_t wrong_at = kNothingWrong;  ///< First byte that is not the pattern's.
  bool operator==(const SinkReport&) const = default;
};

/// Counts the bytes of one connection and compares every one with the pattern.
class SinkTally {
 public:
  /// Takes the next bytes of the connection, cut anywhere. Returns a report when one became due.
  /// Cost: one memcmp; no allocation.
  std::optional<SinkReport> feed(std::span<const std::byte> chunk);

 private:
  /// Returns what follows the header in `chunk`.
  std::span<const std::byte> take_header(std::span<const std::byte> chunk);
  void compare(std::span<const std::byte> chunk);

  std::array<std::byte, sizeof(SinkHeader)> header_bytes_{};
  std::size_t header_held_ = 0;
  SinkHeader header_;
  SinkReport report_;
  std::uint64_t next_report_ = 0;
};

}  // namespace skysock
