#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/latency.hpp"
#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/work.hpp"

namespace skysock::load {

/// How a client ends a connection.
enum class Ending : std::uint8_t {
  fin,  ///< Orderly; TIME_WAIT stays on the client's side.
  rst,  ///< SO_LINGER of 0: the server's next read or write fails, and no TIME_WAIT remains.
};

struct AcceptOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  /// At most 1,000 are sensible. Stay below the server's accept queue (the smaller of its listen(2)
  /// backlog and net.core.somaxconn): a dropped SYN costs a second, and the latencies show it.
  std::size_t in_flight = 16;
  Ending ending = Ending::fin;
  /// All `in_flight` connects at once, the next ones only after the last of those has ended: the
  /// accept queue has to hold them all. Otherwise each that ends is followed by one.
  bool burst = false;
  std::uint64_t seed = 1;
  std::chrono::milliseconds deadline{10'000};  ///< For each `run`.
};

/// Short connections against an echo server: connect, send one byte, check the one that returns,
/// close. One thread, the caller's. Any error leaves the load unusable.
class AcceptLoad {
 public:
  [[nodiscard]] static Outcome<AcceptLoad> open(AcceptOptions options);

  /// Makes `operations` connections, at most `in_flight` at a time.
  /// Outcome: wall time from the first connect to the last close. No connection is open before or
  /// after.
  [[nodiscard]] Outcome<std::chrono::nanoseconds> run(std::uint64_t operations);

  /// Begins connections until `duration` has passed, then waits for the last ones. No connection is
  /// open before or after.
  [[nodiscard]] Outcome<Work> run_for(std::chrono::nanoseconds duration);

  /// From the next run on, counts each connection's time from before its connect(2) to its checked
  /// byte; nullptr: no more. In a burst the wait for the server's accept is in it.
  /// Requires: `latencies` outlives the runs. Cost: two clock readings (30 ns each) per connection;
  /// without it, nothing.
  void record_into(LatencyHistogram* latencies) { latencies_ = latencies; }

 private:
  struct Connection {
    Fd fd;
    std::uint64_t operation = 0;
    bool sent = false;
    std::chrono::steady_clock::time_point begun_at;  ///< When latencies are recorded.
  };

  AcceptLoad(AcceptOptions options, Target target, EdgePoll poll);

  using Deadline = std::chrono::steady_clock::time_point;
  static constexpr Deadline kNever = Deadline::max();

  /// Makes connections until `end_` are begun or `last_begin` has passed.
  [[nodiscard]] Outcome<void> drive(Deadline last_begin, Deadline deadline);
  /// Says how far the run came that began after `begun_before` connections.
  [[nodiscard]] std::string late(std::uint64_t begun_before) const;
  [[nodiscard]] unsigned source() const;
  /// Begins as many as may be in flight.
  [[nodiscard]] Outcome<void> begin_group();
  [[nodiscard]] Outcome<void> begin(std::size_t index);
  [[nodiscard]] Outcome<void> serve(std::size_t index, std::uint32_t events);
  [[nodiscard]] Outcome<void> send(Connection& connection);
  [[nodiscard]] Outcome<bool> receive(Connection& connection);
  void end(Connection& connection);

  AcceptOptions options_;
  Target target_;
  EdgePoll poll_;
  std::vector<Connection> connections_;
  LatencyHistogram* latencies_ = nullptr;
  std::uint64_t begun_ = 0;      ///< Since `open`: names the operation in its byte and in messages.
  std::uint64_t end_ = 0;        ///< `begun_` when this run has begun all.
  std::uint64_t completed_ = 0;  ///< Since `open`.
};

}  // namespace skysock::load
