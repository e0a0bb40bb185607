#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "bench/compare/load_thread.hpp"
#include "bench/compare/peers.hpp"
#include "bench/compare/scenario.hpp"
#include "bench/load/accept_load.hpp"
#include "bench/load/echo_load.hpp"

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

/// One server with its load, which stays connected from start() to finish().
class Lane {
 public:
  /// Starts the server on `server_cpu`, connects the load (on the calling thread's CPU) and passes
  /// one checked message on each connection. Error: names the server and what went wrong.
  static load::Outcome<Lane> start(Peer peer, const Scenario& scenario,
                                   std::optional<int> server_cpu);
  Lane(Lane&&) noexcept = default;
  Lane& operator=(Lane&&) = delete;
  ~Lane();

  [[nodiscard]] const std::string& name() const { return peer_.name; }
  [[nodiscard]] const ServerProcess& server() const { return server_; }
  load::Outcome<void> pause();
  load::Outcome<void> resume();

  /// Loads the server for `warm_up`, unmeasured, then for `duration`. Requires: it is not paused.
  load::Outcome<Slice> measure(std::chrono::nanoseconds warm_up, std::chrono::nanoseconds duration);

  /// Makes and checks this many operations.
  load::Outcome<void> run(std::uint64_t operations);

  /// Passes one more message on each connection, disconnects and ends the server.
  load::Outcome<void> finish();

 private:
  using Load = std::variant<std::monostate, load::EchoLoad, load::AcceptLoad>;

  Lane(Peer peer, const Scenario& scenario, ServerProcess server);
  [[nodiscard]] load::Outcome<void> connect();
  load::Outcome<load::Work> load_for(std::chrono::nanoseconds duration);
  load::Outcome<void> named(load::Outcome<void> outcome) const;

  Peer peer_;
  Scenario scenario_;
  ServerProcess server_;
  std::unique_ptr<LoadThread> thread_;
  std::unique_ptr<Load> load_;  ///< Lives on thread_.
};

}  // namespace skysock::bench::compare
