#include "core/base/sink_tally.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/stream_pattern.hpp"

namespace skysock {

std::optional<SinkReport> SinkTally::feed(std::span<const std::byte> chunk) {
  chunk = take_header(chunk);
  if (chunk.empty()) return std::nullopt;
  ++report_.chunks;
  compare(chunk);
  if (header_.report_every == 0 || report_.bytes < next_report_) return std::nullopt;
  next_report_ = (report_.bytes / header_.report_every + 1) * header_.report_every;
  return report_;
}

std::span<const std::byte> SinkTally::take_header(std::span<const std::byte> chunk) {
  if (header_held_ == header_bytes_.size()) return chunk;
  const std::size_t count = std::min(header_bytes_.size() - header_held_, chunk.size());
  std::memcpy(header_bytes_.data() + header_held_, chunk.data(), count);
  header_held_ += count;
  if (header_held_ == header_bytes_.size()) {
    std::memcpy(&header_, header_bytes_.data(), sizeof header_);
    next_report_ = header_.report_every;
  }
  return chunk.subspan(count);
}

void SinkTally::compare(std::span<const std::byte> chunk) {
  while (!chunk.empty()) {
    // One period at a time: the expected bytes stay in the first-level cache.
    const std::size_t size = std::min(chunk.size(), kPatternPeriod);
    const auto want = stream_bytes(header_.pattern_offset % kPatternPeriod + report_.bytes, size);
    const bool wrong = std::memcmp(want.data(), chunk.data(), size) != 0;
    if (wrong && report_.wrong_at == SinkReport::kNothingWrong) {
      const auto at = std::ranges::mismatch(want, chunk.first(size)).in1 - want.begin();
      report_.wrong_at = report_.bytes + static_cast<std::uint64_t>(at);
    }
    report_.bytes += size;
    chunk = chunk.subspan(size);
  }
}

}  // namespace skysock
