#pragma once

// Every server under test is a process of its own: its CPU time is its own, a crash is an exit
// code, and no two variants share a memory layout or an allocator's past.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench {

/// A server program that prints "listening on HOST:PORT". Killed with this object, or with us.
class ServerProcess {
 public:
  /// Runs `argv` (argv[0]: a path) on `cpu` only, if given, and waits at most 20 s for its line.
  /// Error: names the command and what was expected. What it writes to its standard error goes to
  /// memory, whose last 64 KiB come on ours when it does not end well: a server that logs every
  /// connection floods nobody.
  static load::Outcome<ServerProcess> start(std::vector<std::string> argv, std::optional<int> cpu);

  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&&) = delete;
  ~ServerProcess();

  /// Runs a foreign program that is told its port instead of printing it; waits at most 20 s until
  /// it accepts a connection there.
  static load::Outcome<ServerProcess> start_on(std::vector<std::string> argv, std::uint16_t port,
                                               std::optional<int> cpu);

  /// Lets stop() accept that SIGTERM kills it; else it must handle the signal and exit with 0.
  void allow_end_by_signal() { may_end_by_signal_ = true; }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  /// User and system time of all its threads so far; 0 once it is gone.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const;

  /// SIGSTOP; when it returns, no thread of the server runs any more. Error: the server ended.
  load::Outcome<void> pause();
  /// SIGCONT after pause(). Error: the server ended.
  load::Outcome<void> resume();
  /// What /proc says is so: between pause() and resume().
  [[nodiscard]] bool paused() const;

  /// SIGCONT and SIGTERM, then waits at most 10 s. Error: it had ended before, or did not end with
  /// exit 0.
  load::Outcome<void> stop();

 private:
  ServerProcess(std::string command, pid_t pid, load::Fd output, load::Fd errors)
      : command_(std::move(command)),
        pid_(pid),
        output_(std::move(output)),
        errors_(std::move(errors)) {}

  static load::Outcome<ServerProcess> launch(std::vector<std::string> argv, std::optional<int> cpu);
  load::Outcome<void> read_listening_line();
  load::Outcome<void> wait_until_it_accepts(std::uint16_t port);
  load::Outcome<void> change_state(int signal, int option, const char* expected);
  /// The wait(2) status; none when it still runs after `limit`.
  std::optional<int> wait_for_end(std::chrono::milliseconds limit);

  std::string command_;
  pid_t pid_;  ///< -1 once it was waited for.
  load::Fd output_;
  load::Fd errors_;  ///< None once it ended well.
  std::string host_;
  std::uint16_t port_ = 0;
  bool may_end_by_signal_ = false;
};

}  // namespace skysock::bench
