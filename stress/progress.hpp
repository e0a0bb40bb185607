#pragma once

#include <cstdint>
#include <string>

#include "stress/ledger.hpp"

namespace skysock::stress {

/// "12/60 s, 64 open, 5310 done, 812.4 MB verified, 67.7 MB/s, 48 s left, 0 failures".
std::string progress_text(double done_s, double total_s, std::uint64_t open, const Totals& totals);

/// Shows how far the run is, on standard error: one line that is rewritten on a terminal, else a
/// line each few seconds. Not thread safe.
class Progress {
 public:
  Progress();
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Prints when it is time to. Cheap; call as often as you like.
  void show(double done_s, double total_s, std::uint64_t open, const Totals& totals);
  /// Ends the line on a terminal, so that other text begins on its own.
  void finish();

 private:
  bool terminal_;
  double next_s_;
  bool line_open_ = false;
};

}  // namespace skysock::stress
