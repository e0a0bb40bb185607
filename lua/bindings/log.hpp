#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"

namespace skysock::lua {

/// Writes all of `text`, as far as somebody takes it.
void write_all(int fd, std::string_view text) noexcept;

/// Where the log lines of a node go: standard error, or a file that can be begun anew after a
/// rotation. Thread safe. The descriptor stays the same one for as long as the process runs.
class Log {
 public:
  /// Standard error for "". Errors: an errno of open(2).
  static Result<int> open(const std::string& path) noexcept;

  /// `fd` is what open(path) gave.
  Log(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// One write(2), so lines of threads do not mix.
  void write(std::string_view line) noexcept;

  /// Makes the file if it is not there; the next line goes into it. Until then the old one is held.
  /// Without effect on standard error. May be called on a thread with other descriptors than those
  /// of who writes: they open it themselves. Errors: an errno of open(2); then lines go on into the
  /// old file.
  Result<void> reopen() noexcept;

 private:
  bool replace() noexcept;

  const int fd_;
  const std::string path_;
  std::atomic<bool> stale_{false};  ///< reopen() was called, and nobody has done it yet.
};

}  // namespace skysock::lua
