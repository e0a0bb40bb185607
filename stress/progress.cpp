#include "stress/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "stress/result.hpp"

namespace skysock::stress {
namespace {

constexpr double kTerminalIntervalS = 0.2;
constexpr double kLogIntervalS = 5;

}  // namespace

std::string progress_text(double done_s, double total_s, std::uint64_t open, const Totals& totals) {
  const double left_s = std::max(0.0, total_s - done_s);
  const double rate = done_s > 0 ? static_cast<double>(totals.bytes_verified) / done_s : 0;
  return fmt::format("{:.0f}/{:.0f} s, {} open, {} done, {} verified, {}/s, {}, {} failures",
                     std::min(done_s, total_s), total_s, open, totals.connections_completed,
                     megabytes(totals.bytes_verified), megabytes(static_cast<std::uint64_t>(rate)),
                     left_s > 0 ? fmt::format("{:.0f} s left", left_s) : "ending connections",
                     totals.failure_count());
}

Progress::Progress()
    : terminal_(::isatty(STDERR_FILENO) == 1), next_s_(terminal_ ? 0 : kLogIntervalS) {}

void Progress::show(double done_s, double total_s, std::uint64_t open, const Totals& totals) {
  if (done_s < next_s_) return;
  next_s_ = done_s + (terminal_ ? kTerminalIntervalS : kLogIntervalS);
  const std::string text = progress_text(done_s, total_s, open, totals);
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r" : "", text, terminal_ ? "\x1b[K" : "\n");
  std::fflush(stderr);
  line_open_ = terminal_;
}

void Progress::finish() {
  if (line_open_) fmt::print(stderr, "\n");
  line_open_ = false;
}

}  // namespace skysock::stress
