#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "results/child.hpp"
#include "results/outcome.hpp"

namespace skysock::results {

struct Listening {
  std::string host;
  std::uint16_t port = 0;
};

/// Reads "listening on HOST:PORT". None for any other line.
std::optional<Listening> parse_listening(std::string_view line);

/// An echo server in a process of its own, from its "listening on" line to its SIGTERM.
class Server {
 public:
  /// Error: with the command and what it wrote to standard error.
  static Outcome<Server> start(const std::vector<std::string>& argv, std::optional<int> cpu,
                               std::chrono::milliseconds timeout);

  [[nodiscard]] const Listening& listening() const { return listening_; }
  [[nodiscard]] Outcome<std::chrono::nanoseconds> cpu_time() const { return child_.cpu_time(); }

  /// Ends it. Error: it had ended before, or ended badly.
  Outcome<void> stop();

  /// `text` with the command, how it ended if it has, and the end of its standard error.
  [[nodiscard]] Problem blame(const std::string& text);

 private:
  Server(std::vector<std::string> argv, Child child)
      : argv_(std::move(argv)), child_(std::move(child)) {}

  std::vector<std::string> argv_;
  Child child_;
  Listening listening_;
};

}  // namespace skysock::results
