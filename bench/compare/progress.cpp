#include "bench/compare/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace skysock::bench::compare {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval{200};
constexpr std::chrono::milliseconds kLogInterval{10'000};

}  // namespace

std::string progress_text(const std::string& what, std::size_t done, std::size_t total,
                          const char* unit, std::chrono::duration<double> left) {
  return fmt::format("{}: {} of {} {}, {}", what, done, total, unit,
                     done == 0 ? "time left unknown" : fmt::format("{:.0f} s left", left.count()));
}

Progress::Progress(std::size_t total, const char* unit)
    : terminal_(isatty(STDERR_FILENO) == 1),
      total_(total),
      unit_(unit),
      next_(begin_ + (terminal_ ? std::chrono::milliseconds(0) : kLogInterval)) {}

void Progress::clear() {
  if (line_open_) fmt::print(stderr, "\r\x1b[K");
  line_open_ = false;
}

void Progress::step(const std::string& what) {
  ++done_;
  if (Clock::now() >= next_) show(what);
}

void Progress::announce(const std::string& what) {
  if (terminal_) show(what);
}

void Progress::show(const std::string& what) {
  const auto now = Clock::now();
  next_ = now + (terminal_ ? kTerminalInterval : kLogInterval);
  const std::chrono::duration<double> spent = now - begin_;
  const auto left =
      done_ == 0 ? spent : spent * static_cast<double>(total_ - done_) / static_cast<double>(done_);
  const std::string text = progress_text(what, done_, total_, unit_, left);
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r" : "", text, terminal_ ? "\x1b[K" : "\n");
  std::fflush(stderr);
  line_open_ = terminal_;
}

}  // namespace skysock::bench::compare
