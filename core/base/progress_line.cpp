#include "core/base/progress_line.hpp"

#include <unistd.h>

#include <cstdio>

namespace skysock {

ProgressLine::ProgressLine()
    : terminal_(isatty(STDERR_FILENO) == 1), next_(std::chrono::steady_clock::now()) {
  if (!terminal_) next_ += kLogInterval;
}

void ProgressLine::show(std::string_view text) {
  next_ = std::chrono::steady_clock::now() + (terminal_ ? kTerminalInterval : kLogInterval);
  const auto length = static_cast<int>(text.size());
  std::fprintf(stderr, terminal_ ? "\r%.*s\x1b[K" : "%.*s\n", length, text.data());
  std::fflush(stderr);
  open_ = terminal_;
}

void ProgressLine::clear() {
  if (open_) std::fputs("\r\x1b[K", stderr);
  open_ = false;
}

}  // namespace skysock
