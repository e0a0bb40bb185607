#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "core/base/progress_line.hpp"

namespace skysock::bench::compare {

/// "echo_64x64B, round 3 of 13: 12 of 52 slices, 10 s left".
std::string progress_text(const std::string& what, std::size_t done, std::size_t total,
                          const char* unit, std::chrono::duration<double> left);

/// Counts the units of a command and shows how far it is. Not thread safe.
class Progress {
 public:
  Progress(std::size_t total, const char* unit) : total_(total), unit_(unit) {}

  /// One more unit is done; `what` says where we are.
  void step(const std::string& what);
  /// Says what begins, at once on a terminal.
  void announce(const std::string& what);
  /// Removes the line from the terminal, so that results can be printed.
  void clear() { line_.clear(); }

 private:
  void show(const std::string& what);

  std::size_t total_;
  const char* unit_;
  std::size_t done_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  ProgressLine line_;
};

}  // namespace skysock::bench::compare
