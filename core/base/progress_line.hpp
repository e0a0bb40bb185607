#pragma once

#include <chrono>
#include <string_view>

namespace skysock {

/// Says on standard error how far a long command is: one line that is rewritten on a terminal, else
/// a line now and then. Not thread safe.
class ProgressLine {
 public:
  static constexpr std::chrono::milliseconds kTerminalInterval{200};
  static constexpr std::chrono::milliseconds kLogInterval{5'000};

  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  [[nodiscard]] bool on_terminal() const { return terminal_; }
  /// Whether it is time for another text. Cost: a clock is read.
  [[nodiscard]] bool due() const { return std::chrono::steady_clock::now() >= next_; }
  void show(std::string_view text);
  /// Removes the line from the terminal, so that other text can be printed.
  void clear();

 private:
  bool terminal_;
  bool open_ = false;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace skysock
