#include "bench/compare/progress.hpp"

#include <fmt/format.h>

namespace skysock::bench::compare {

std::string progress_text(const std::string& what, std::size_t done, std::size_t total,
                          const char* unit, std::chrono::duration<double> left) {
  return fmt::format("{}: {} of {} {}, {}", what, done, total, unit,
                     done == 0 ? "time left unknown" : fmt::format("{:.0f} s left", left.count()));
}

void Progress::step(const std::string& what) {
  ++done_;
  if (line_.due()) show(what);
}

void Progress::announce(const std::string& what) {
  if (line_.on_terminal()) show(what);
}

void Progress::show(const std::string& what) {
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin_;
  const auto left =
      done_ == 0 ? spent : spent * static_cast<double>(total_ - done_) / static_cast<double>(done_);
  line_.show(progress_text(what, done_, total_, unit_, left));
}

}  // namespace skysock::bench::compare
