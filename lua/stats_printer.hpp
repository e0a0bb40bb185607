#pragma once

// `skysock --stats SECONDS [--stats-json]`.

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <expected>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/service/runtime.hpp"

namespace skysock::lua {

/// What the command line says, unchecked.
struct StatsCommand {
  std::string seconds;
  bool json = false;
};

struct StatsOptions {
  std::chrono::milliseconds interval{0};  ///< 0: only at the end.
  bool json = false;
};

void add_stats_options(CLI::App& app, StatsCommand& command);

/// Nothing when no counts were asked for. Errors: a sentence that names the option and what was
/// expected.
std::expected<std::optional<StatsOptions>, std::string> parse_stats(const StatsCommand& command);

/// Prints all counts of a runtime to standard error: every interval, on a thread of its own, and
/// when it is destroyed. Requires: it is destroyed before the runtime stops.
class StatsPrinter {
 public:
  StatsPrinter(Runtime& runtime, StatsOptions options);
  ~StatsPrinter();
  StatsPrinter(const StatsPrinter&) = delete;
  StatsPrinter& operator=(const StatsPrinter&) = delete;

  /// Call before the services are ended: what only that drops or leaves waiting is not counted.
  void services_end();

 private:
  struct BeforeEnd {
    RuntimeCounts services;
    std::uint64_t refused_events = 0;
  };

  void print() const;
  void repeat();

  Runtime* runtime_;
  StatsOptions options_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::condition_variable changed_;
  bool finished_ = false;
  std::optional<BeforeEnd> before_end_;
  std::thread thread_;
};

}  // namespace skysock::lua
