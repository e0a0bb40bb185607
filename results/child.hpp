#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/socket.hpp"
#include "results/outcome.hpp"

namespace skysock::results {

/// Splits a command line as a shell would: words, quotes, variables, ~ and wildcards; no commands,
/// no redirection.
Outcome<std::vector<std::string>> split_command(const std::string& line);

/// A process of ours. It dies with us (PR_SET_PDEATHSIG), and with this object if it still runs
/// then.
class Child {
 public:
  /// Runs `argv`, looked up in PATH; on `cpu` only, if given. That the program cannot be run shows
  /// as an early end with a text on its standard error.
  static Outcome<Child> spawn(const std::vector<std::string>& argv,
                              std::optional<int> cpu = std::nullopt);

  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  /// The next line of its standard output, without the newline; what there is at end of output;
  /// none when `timeout` passed first. `finished()` tells the last two apart from a line.
  std::optional<std::string> read_line(std::chrono::milliseconds timeout);
  [[nodiscard]] bool output_ended() const { return output_ended_; }

  /// CPU time of all its threads until now. Resolution: nanoseconds.
  Outcome<std::chrono::nanoseconds> cpu_time() const;

  /// Sends SIGTERM and waits; SIGKILL after `patience`. Error: it ended before, had to be killed,
  /// or did not end by exit 0 or by the signal itself.
  Outcome<void> stop(std::chrono::milliseconds patience = std::chrono::seconds(5));

  /// Waits for its own end. Outcome: the exit code; 128 + signal when one ended it. None when
  /// `timeout` passed.
  std::optional<int> wait(std::chrono::milliseconds timeout);

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// The end of what it wrote to standard error, or an empty string.
  [[nodiscard]] std::string error_output() const;

 private:
  Child(pid_t pid, load::Fd pidfd, load::Fd output, load::Fd errors);

  pid_t pid_;
  load::Fd pidfd_;
  load::Fd output_;
  load::Fd errors_;  ///< A memory file: it never blocks the child, and nothing has to read along.
  std::string unread_;
  bool output_ended_ = false;
  std::optional<int> exit_code_;
};

/// The whole standard output of a short command, or none when it fails, is not there, or takes over
/// 10 s.
std::optional<std::string> output_of(const std::vector<std::string>& argv);

}  // namespace skysock::results
