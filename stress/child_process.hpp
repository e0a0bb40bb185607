#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stress/descriptor.hpp"

namespace skysock::stress {

/// What waitpid said of an ended process.
class ExitStatus {
 public:
  explicit ExitStatus(int status) : status_(status) {}
  bool success() const { return status_ == 0; }
  /// The exit code, or nothing when a signal killed it.
  std::optional<int> code() const;
  /// E.g. "exit status 3" or "killed by signal 6 (Aborted)".
  std::string text() const;

 private:
  int status_;
};

/// Called first in a child: it is killed when the thread that forked it ends, at the latest.
/// `parent` is the forking process.
void die_with_parent(pid_t parent);

/// A program that was started, with its output on two pipes. Its destructor kills it (SIGKILL) and
/// its process group, so it never outlives its owner. Single-threaded callers only (it forks).
class ChildProcess {
 public:
  /// Starts `argv` (argv[0] is searched in PATH) in its own process group, standard input empty,
  /// signals as by default. The error names the program. Requires: argv is not empty.
  static std::expected<ChildProcess, std::string> start(const std::vector<std::string>& argv);

  ChildProcess(ChildProcess&&) noexcept = default;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  int output_fd() const { return output_.get(); }  ///< Non-blocking; -1 once at its end.
  int error_fd() const { return error_.get(); }    ///< Non-blocking; -1 once at its end.

  /// Appends what is there to `into`; closes the pipe at its end. Never blocks.
  void read_output(std::string& into) { drain(output_, into); }
  void read_error(std::string& into) { drain(error_, into); }

  /// The status when it has ended; it is reaped once and the answer kept. Never blocks.
  std::optional<ExitStatus> poll_exit();
  void signal(int number) const;

 private:
  ChildProcess(pid_t pid, Descriptor output, Descriptor error);
  static void drain(Descriptor& pipe, std::string& into);

  /// Owned by moving only: -1 in the moved-from object.
  struct Pid {
    explicit Pid(pid_t value_in) : value(value_in) {}
    Pid(Pid&& other) noexcept : value(std::exchange(other.value, -1)) {}
    Pid& operator=(Pid&&) = delete;
    operator pid_t() const { return value; }  // NOLINT(google-explicit-constructor)
    pid_t value;
  };
  Pid pid_;
  Descriptor output_;
  Descriptor error_;
  std::optional<ExitStatus> exit_;
};

/// The directory of the running program, where its neighbours are.
std::string program_directory();

}  // namespace skysock::stress
