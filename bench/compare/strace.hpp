#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench::compare {

/// Calls by name.
using CallCounts = std::map<std::string, std::uint64_t>;

/// Reads what `strace -c -U name,calls` prints. Error: quotes the line that is not as expected.
load::Outcome<CallCounts> parse_summary(const std::string& text);

/// Counts the system calls of another process, all its threads, while it lives.
class Strace {
 public:
  /// When it returns, every call that a thread of `pid` begins is counted. Waits at most 20 s.
  /// Error: strace is not installed, or may not trace; says which.
  static load::Outcome<Strace> attach(pid_t pid);

  Strace(Strace&& other) noexcept;
  Strace& operator=(Strace&&) = delete;
  ~Strace();

  /// Ends the tracing; the process goes on.
  load::Outcome<CallCounts> detach();

 private:
  Strace(pid_t pid, load::Fd messages, load::Fd summary)
      : pid_(pid), messages_(std::move(messages)), summary_(std::move(summary)) {}

  load::Outcome<void> wait_until_attached();

  pid_t pid_;          ///< Of strace; -1 once it was waited for.
  load::Fd messages_;  ///< Its standard error.
  load::Fd summary_;   ///< The file it prints into.
};

}  // namespace skysock::bench::compare
