#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/load/echo_connections.hpp"
#include "bench/load/latency.hpp"
#include "bench/load/outcome.hpp"
#include "bench/load/work.hpp"

namespace skysock::load {

struct OpenLoopOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t connections = 64;
  std::size_t bytes = 64;     ///< Per message.
  double per_second = 1'000;  ///< Messages over all connections; see set_rate().
  std::uint64_t seed = 1;
  std::chrono::milliseconds deadline{10'000};  ///< For `open`, and for each run after its last
                                               ///< intended time.
};

/// Echo at a fixed rate: the messages have a timetable, one each 1 / rate from the start, the
/// connections in turn, and go out whether or not earlier ones were answered. So users behave who
/// do not know of each other; a server that stalls for 200 ms makes all wait who come meanwhile,
/// while a closed loop (EchoLoad) politely stops sending and counts the stall once per connection.
///
/// A latency is counted from the message's intended time, so it is right even where the load
/// itself was late. How late it was is counted beside it: where that is not far below the latency,
/// the load (or a busy machine) was measured, not the server.
///
/// One thread, the caller's; it polls for the last 100 us before each intended time, so from 10,000
/// per second on it never sleeps and wants a CPU of its own. Cost of the clock: two readings (30 ns
/// each) per message and one per recv(2) that completes some. Any error leaves the load unusable.
///
/// Source: "coordinated omission" and the intended time are Gil Tene's (wrk2).
class OpenLoopLoad {
 public:
  /// Connects all and passes one message over each; those are not counted.
  [[nodiscard]] static Outcome<OpenLoopLoad> open(const OpenLoopOptions& options);

  /// From the next run on. Error: not above 0, or above 10,000,000.
  [[nodiscard]] Outcome<void> set_rate(double per_second);

  /// Sends the messages whose intended time is within `duration` (the first one's is now), none
  /// left out, then waits for the answers still due. A message that the kernel does not take waits
  /// behind its connection's earlier ones. Nothing is in flight before or after.
  /// Error: also when messages are unsent or unanswered `deadline` after the duration.
  [[nodiscard]] Outcome<Work> run_for(std::chrono::nanoseconds duration);

  /// From the intended time to the last checked byte, of all runs since clear().
  [[nodiscard]] const LatencyHistogram& latency() const { return latency_; }
  /// From the intended time to when the message was given to send(2) or to its connection's queue.
  [[nodiscard]] const LatencyHistogram& lateness() const { return lateness_; }
  void clear();

 private:
  using Deadline = EchoConnections::Deadline;

  OpenLoopLoad(const OpenLoopOptions& options, EchoConnections connections);

  [[nodiscard]] Deadline intended(std::uint64_t message) const;
  [[nodiscard]] Outcome<void> drive(Deadline deadline);
  [[nodiscard]] Outcome<void> send_due();
  void on_done(std::size_t index, std::uint64_t messages);
  [[nodiscard]] std::string late() const;

  std::string target_;
  std::chrono::milliseconds deadline_;
  EchoConnections connections_;
  double per_second_ = 0;
  Deadline start_;           ///< Of this run.
  std::uint64_t first_ = 0;  ///< The first message of this run, counted over all since `open`.
  std::uint64_t next_ = 0;   ///< Invariant: first_ <= next_ <= end_.
  std::uint64_t end_ = 0;
  LatencyHistogram latency_;
  LatencyHistogram lateness_;
};

}  // namespace skysock::load
