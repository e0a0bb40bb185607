#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace skysock::bench::compare {

/// "echo_64x64B, round 3 of 13: 12 of 52 slices, 10 s left".
std::string progress_text(const std::string& what, std::size_t done, std::size_t total,
                          const char* unit, std::chrono::duration<double> left);

/// Shows how far a command is, on standard error: one line that is rewritten on a terminal, else a
/// line every 10 s. Not thread safe.
class Progress {
 public:
  Progress(std::size_t total, const char* unit);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// One more unit is done; `what` says where we are.
  void step(const std::string& what);
  /// Says what begins, at once on a terminal.
  void announce(const std::string& what);
  /// Removes the line from the terminal, so that results can be printed.
  void clear();

 private:
  void show(const std::string& what);

  using Clock = std::chrono::steady_clock;
  bool terminal_;
  std::size_t total_;
  const char* unit_;
  std::size_t done_ = 0;
  bool line_open_ = false;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point next_;
};

}  // namespace skysock::bench::compare
