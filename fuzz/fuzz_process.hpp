#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/fuzz_output.hpp"

namespace skysock::fuzz {

/// One libFuzzer process; its output goes to a file, which is read as it grows. Destroying it kills
/// a process that still runs.
class FuzzProcess {
 public:
  /// Starts `command`. The process dies with this one.
  FuzzProcess(std::vector<std::string> command, std::filesystem::path log);
  FuzzProcess(const FuzzProcess&) = delete;
  FuzzProcess& operator=(const FuzzProcess&) = delete;
  ~FuzzProcess();

  /// Reads what is new; returns whether the process still runs.
  bool update();
  void kill();

  [[nodiscard]] const FuzzOutput& output() const { return output_; }
  /// Exit status, or 128 + signal. Requires: update() returned false.
  [[nodiscard]] int status() const { return *status_; }
  [[nodiscard]] double seconds() const;
  /// The last lines of the output.
  [[nodiscard]] std::string tail(std::size_t lines) const;

 private:
  void read_log();

  std::filesystem::path log_;
  std::ifstream reader_;
  std::string partial_line_;
  FuzzOutput output_;
  pid_t pid_ = -1;
  std::optional<int> status_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point ended_;
};

}  // namespace skysock::fuzz
