#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stress/client.hpp"
#include "stress/descriptor.hpp"
#include "stress/report.hpp"

namespace skysock::stress {

/// The parent's end of one client process. Its destructor kills the process. Not thread safe.
class ClientProcess {
 public:
  /// Forks; the child runs `task` and exits without returning. An error is of pipe(2) or fork(2).
  /// Requires: SIGTERM and SIGINT are blocked, the process has one thread.
  static std::expected<ClientProcess, std::string> start(ClientTask task);

  ClientProcess(ClientProcess&& other) noexcept;
  ClientProcess& operator=(ClientProcess&&) = delete;
  ~ClientProcess();

  int report_fd() const { return reports_.get(); }  ///< -1 once everything was read.
  const Counters& counters() const { return counters_; }
  pid_t pid() const { return pid_; }

  /// Reads what it reported, without blocking; returns the findings.
  std::vector<Finding> read_reports();
  /// Asks it to end its connections and report (SIGTERM), or kills it.
  void signal(int number) const;
  /// True when its pipe is at its end and it was reaped.
  bool over();
  /// Once over: what is wrong with how it ended; nothing when it made its final report and exited
  /// with 0.
  std::optional<Finding> wrong_end() const;

 private:
  ClientProcess(pid_t pid, Descriptor reports, std::uint64_t index);
  void take_line(std::string_view line, std::vector<Finding>& findings);

  pid_t pid_;
  Descriptor reports_;
  std::uint64_t index_;
  std::string buffer_;
  Counters counters_;
  std::string bad_line_;  ///< Why a line could not be read; empty when all could.
  std::optional<int> status_;
};

}  // namespace skysock::stress
