#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/work.hpp"

namespace skysock::load {

struct AcceptOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t in_flight =
      16;  ///< Stay below the server's accept queue: a dropped SYN costs a second.
  std::uint64_t seed = 1;
  std::chrono::milliseconds deadline{10'000};  ///< For each `run`.
};

/// Short connections against an echo server: connect, send one byte, check the one that returns,
/// close (FIN). One thread, the caller's. Any error leaves the load unusable.
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

 private:
  struct Connection {
    Fd fd;
    std::uint64_t operation = 0;
    bool sent = false;
  };

  AcceptLoad(AcceptOptions options, Target target, EdgePoll poll);

  using Deadline = std::chrono::steady_clock::time_point;
  static constexpr Deadline kNever = Deadline::max();

  /// Makes connections until `end_` are begun or `last_begin` has passed.
  [[nodiscard]] Outcome<void> drive(Deadline last_begin, Deadline deadline);
  /// Says how far the run came that began after `begun_before` connections.
  [[nodiscard]] std::string late(std::uint64_t begun_before) const;
  [[nodiscard]] unsigned source() const;
  [[nodiscard]] Outcome<void> begin(std::size_t index);
  [[nodiscard]] Outcome<void> serve(std::size_t index, std::uint32_t events);
  [[nodiscard]] Outcome<void> send(Connection& connection);
  [[nodiscard]] Outcome<bool> receive(Connection& connection);

  AcceptOptions options_;
  Target target_;
  EdgePoll poll_;
  std::vector<Connection> connections_;
  std::uint64_t begun_ = 0;      ///< Since `open`: names the operation in its byte and in messages.
  std::uint64_t end_ = 0;        ///< `begun_` when this run has begun all.
  std::uint64_t completed_ = 0;  ///< Since `open`.
};

}  // namespace skysock::load
