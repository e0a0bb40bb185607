#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/compare/load_thread.hpp"
#include "bench/compare/peers.hpp"
#include "bench/compare/scenario.hpp"
#include "bench/compare/scenario_load.hpp"

namespace skysock::bench::compare {

/// What one slice of one server cost.
struct Slice {
  std::uint64_t operations = 0;  ///< Checked, all of them. Idle: 0, the wall time counts.
  std::chrono::nanoseconds wall{};
  std::chrono::nanoseconds server_cpu{};  ///< User and system time of all its threads.
  std::chrono::nanoseconds load_cpu{};
};

/// Server CPU time per operation; idle: per second held.
double cpu_us_per_operation(const Slice& slice, LoadKind kind);

struct LaneOptions {
  std::optional<int> server_cpu;
  double rate = 0;  ///< Of an open loop, per second; 0: a share of what this server reaches.
};

/// How long a slice is, and what happens in it.
struct SliceOptions {
  std::chrono::nanoseconds warm_up;  ///< Unmeasured, before it.
  std::chrono::nanoseconds duration;
  std::chrono::nanoseconds stall{0};  ///< In the middle, the server is stopped for so long.
};

/// One server with its load, which stays connected from start() to finish().
class Lane {
 public:
  /// Starts the server, connects the load (on the calling thread's CPU) and passes one checked
  /// message on each connection. Error: names the server and what went wrong.
  static load::Outcome<Lane> start(Peer peer, const Scenario& scenario, const LaneOptions& options);
  Lane(Lane&&) noexcept = default;
  Lane& operator=(Lane&&) = delete;
  ~Lane();

  [[nodiscard]] const std::string& name() const { return peer_.name; }
  [[nodiscard]] std::vector<std::string> argv() const { return argv_in(peer_, scenario_.mode()); }
  [[nodiscard]] const ServerProcess& server() const { return server_; }
  /// What start() added to the resident memory of the server, by connections that it holds.
  [[nodiscard]] std::optional<double> rss_bytes_per_connection() const { return rss_bytes_; }
  /// The intended operations per second of an open loop; 0 for all others.
  [[nodiscard]] double rate() const { return rate_; }
  load::Outcome<void> pause();
  load::Outcome<void> resume();

  /// Loads the server for a slice; adds what its load timed to `latencies`. Requires: it is not
  /// paused.
  load::Outcome<Slice> measure(const SliceOptions& options, Latencies& latencies);

  /// Makes and checks this many operations, or as near as the load can; returns how many.
  load::Outcome<std::uint64_t> run(std::uint64_t operations);

  /// Passes one more message on each connection, disconnects and ends the server.
  load::Outcome<void> finish();

 private:
  Lane(Peer peer, const Scenario& scenario, ServerProcess server);
  [[nodiscard]] load::Outcome<void> connect(double rate);
  load::Outcome<Slice> measure_load(const SliceOptions& options, Latencies& latencies);
  load::Outcome<void> stall(const SliceOptions& options);
  template <typename T>
  load::Outcome<T> named(load::Outcome<T> outcome) const;

  Peer peer_;
  Scenario scenario_;
  ServerProcess server_;
  std::unique_ptr<LoadThread> thread_;
  std::unique_ptr<ScenarioLoad> load_;  ///< Lives on thread_.
  std::optional<double> rss_bytes_;
  double rate_ = 0;
};

}  // namespace skysock::bench::compare
