#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/echo_connections.hpp"
#include "bench/load/latency.hpp"
#include "bench/load/outcome.hpp"
#include "bench/load/work.hpp"

namespace skysock::load {

struct EchoOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t connections = 64;
  std::size_t bytes = 64;  ///< Per message.
  std::size_t depth = 1;   ///< Messages in flight per connection: 1 is ping-pong, more pipelines.
  std::uint64_t seed = 1;
  std::chrono::milliseconds deadline{10'000};  ///< For `open`, and again for each `run`.
};

/// Clients in a closed loop: each connection keeps `depth` messages in flight, checks every byte
/// that returns, and sends one message for each answer. One thread, the caller's. Any error leaves
/// the load unusable.
class EchoLoad {
 public:
  /// Connects all, in small groups, and passes one message over each: when it returns the server
  /// has accepted all.
  [[nodiscard]] static Outcome<EchoLoad> open(const EchoOptions& options);

  /// Passes `operations` messages in all, split evenly over the connections; the first ones take
  /// the rest. Outcome: wall time from the first send to the last checked byte. Nothing is in
  /// flight before or after.
  [[nodiscard]] Outcome<std::chrono::nanoseconds> run(std::uint64_t operations);

  /// Keeps `depth` messages in flight on every connection until `duration` has passed, then waits
  /// for the answers of those. Nothing is in flight before or after.
  [[nodiscard]] Outcome<Work> run_for(std::chrono::nanoseconds duration);

  /// Sends nothing for `duration`. Error: a connection was closed or received a byte meanwhile.
  [[nodiscard]] Outcome<void> hold_for(std::chrono::nanoseconds duration);

  /// From the next run on, counts each message's time from its send to its last checked byte;
  /// nullptr: no more. A closed loop waits when the server does: a stall delays at most `depth`
  /// messages per connection, however many would have come meanwhile (OpenLoopLoad counts those).
  ///
  /// Requires: `latencies` outlives the runs. Cost: one clock reading (30 ns) per recv(2) that
  /// completes messages, which also is the send time of those that follow; without it, nothing.
  void record_into(LatencyHistogram* latencies);

 private:
  using Deadline = EchoConnections::Deadline;
  static constexpr Deadline kNever = Deadline::max();

  EchoLoad(const EchoOptions& options, EchoConnections connections);

  [[nodiscard]] Outcome<void> drive(Deadline deadline);
  [[nodiscard]] Outcome<void> begin_all();
  [[nodiscard]] Outcome<void> begin(std::size_t index, std::uint64_t messages, Deadline now);
  [[nodiscard]] Outcome<void> on_done(std::size_t index, std::uint64_t messages);
  /// Where the send time of one of the `depth_` youngest messages is kept.
  [[nodiscard]] Deadline& begun_at(std::size_t index, std::uint64_t message) {
    return begun_at_[index * depth_ + message % depth_];
  }

  std::size_t depth_;
  std::chrono::milliseconds deadline_;
  EchoConnections connections_;
  std::vector<std::uint64_t> left_;  ///< Per connection: messages of this run not begun yet.
  LatencyHistogram* latencies_ = nullptr;
  std::vector<Deadline> begun_at_;
  std::uint64_t messages_done_ = 0;  ///< Since `open`.
  Deadline last_send_ = kNever;      ///< No message is begun after it.
  bool ending_ = false;              ///< `last_send_` has passed.
};

/// Runs `operations` in `chunks` equal parts (the first ones take the rest); wall time of each.
/// Requires: chunks > 0.
template <typename Load>
[[nodiscard]] Outcome<std::vector<std::chrono::nanoseconds>> run_chunks(Load& load,
                                                                        std::uint64_t operations,
                                                                        unsigned chunks) {
  std::vector<std::chrono::nanoseconds> times;
  for (unsigned chunk = 0; chunk < chunks; ++chunk) {
    auto time = load.run(operations / chunks + (chunk < operations % chunks ? 1 : 0));
    if (!time) return std::unexpected(time.error());
    times.push_back(*time);
  }
  return times;
}

}  // namespace skysock::load
