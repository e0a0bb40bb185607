#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "stress/child_process.hpp"

namespace skysock::stress {

/// Why a server does not listen.
struct StartError {
  std::string text;                   ///< A sentence, with the server's standard error.
  std::optional<int> exit_code = {};  ///< What it ended with by itself, if it did.
  std::string first_line = {};        ///< Of its standard error.
};

/// The echo server under test as a process: prints `listening on HOST:PORT` when it accepts, ends
/// with status 0 on SIGTERM. Not thread safe.
class Server {
 public:
  /// Starts `command` and waits for its listening line, at most `timeout_s` (or until `stop_fd`,
  /// when it is not -1, becomes readable). The error says why there is none, with the server's
  /// standard error.
  static std::expected<Server, StartError> start(const std::vector<std::string>& command,
                                                 double timeout_s, int stop_fd);

  /// The HOST:PORT that it printed.
  const std::string& address() const { return address_; }
  pid_t pid() const { return process_.pid(); }
  int output_fd() const { return process_.output_fd(); }
  int error_fd() const { return process_.error_fd(); }

  /// Takes what it printed, so that it never blocks on us. Call when one of its fds is readable.
  void drain();
  /// What is wrong with it now: nothing while it runs.
  std::optional<std::string> died();
  /// SIGTERM, then waits at most `timeout_s`. What was wrong: nothing when it exited with status 0.
  std::optional<std::string> stop(double timeout_s);
  /// The beginning and the end of its standard error.
  std::string error_text() const;

 private:
  explicit Server(ChildProcess process) : process_(std::move(process)) {}
  bool find_address();
  void keep_error_bounded();

  ChildProcess process_;
  std::string address_;
  std::string output_;
  std::string error_head_;
  std::string error_tail_;
  std::size_t error_bytes_left_out_ = 0;
};

}  // namespace skysock::stress
