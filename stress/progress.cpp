#include "stress/progress.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "stress/result.hpp"

namespace skysock::stress {
std::string progress_text(double done_s, double total_s, std::uint64_t open, const Totals& totals) {
  const double left_s = std::max(0.0, total_s - done_s);
  const double rate = done_s > 0 ? static_cast<double>(totals.bytes_verified) / done_s : 0;
  return fmt::format("{:.0f}/{:.0f} s, {} open, {} done, {} verified, {}/s, {}, {} failures",
                     std::min(done_s, total_s), total_s, open, totals.connections_completed,
                     megabytes(totals.bytes_verified), megabytes(static_cast<std::uint64_t>(rate)),
                     left_s > 0 ? fmt::format("{:.0f} s left", left_s) : "ending connections",
                     totals.failure_count());
}

}  // namespace skysock::stress
