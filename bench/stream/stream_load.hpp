#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/work.hpp"
#include "core/base/sink_tally.hpp"

namespace skysock::bench {

struct StreamOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t connections = 16;
  std::size_t bytes = 64;                      ///< Per message; at most kStreamMessageBytesMax.
  std::uint64_t batch_messages = 1;            ///< Per connection and run().
  std::chrono::milliseconds deadline{10'000};  ///< For open(), and again for each run().
};

/// One-way clients: each connection sends messages as fast as the server takes them, one send(2)
/// each, the connections in turn. After a batch the server reports how many bytes it got and
/// whether each was right. One thread, the caller's. Any error leaves the load unusable.
class StreamLoad {
 public:
  /// Connects all and passes one batch, so when it returns the server has accepted and answered
  /// all.
  [[nodiscard]] static load::Outcome<StreamLoad> open(StreamOptions options);

  /// Sends a batch on every connection and waits for the reports; nothing is in flight before or
  /// after. Errors: a report that is not exactly what was sent, a peer's failure, the deadline.
  [[nodiscard]] load::Outcome<void> run();

  /// Sends batches until `duration` has passed, each connection its next one when the last is
  /// reported, then waits for the reports. An operation is a message.
  [[nodiscard]] load::Outcome<load::Work> run_for(std::chrono::nanoseconds duration);

  /// Messages of one run(), all connections together.
  [[nodiscard]] std::uint64_t messages_per_run() const;

  /// Reads or data messages that the server saw so far, all connections together.
  [[nodiscard]] std::uint64_t chunks() const;

 private:
  struct Connection {
    load::Fd fd;
    bool writable = false;
    bool reported = false;  ///< This batch.
    std::size_t header_sent = 0;
    std::uint64_t sent = 0;       ///< Bytes since open, without the header.
    std::uint64_t target = 0;     ///< `sent` at the end of this batch.
    std::size_t report_held = 0;  ///< Bytes of a report that came so far.
    SinkReport report;
  };

  using Time = std::chrono::steady_clock::time_point;

  StreamLoad(StreamOptions options, load::Target target, load::EdgePoll poll);

  /// Begins a batch on every connection, and others until `last_begin`; waits for all reports.
  [[nodiscard]] load::Outcome<void> drive(Time last_begin, Time deadline);
  void begin_batch(Connection& connection);
  [[nodiscard]] SinkHeader header(std::size_t index) const;
  /// One message on each connection that takes one; false when none did.
  [[nodiscard]] load::Outcome<bool> send_round();
  [[nodiscard]] load::Outcome<bool> send_next(std::size_t index);
  [[nodiscard]] load::Outcome<void> serve(std::size_t index, std::uint32_t events);
  [[nodiscard]] load::Outcome<void> receive(std::size_t index);
  [[nodiscard]] load::Outcome<void> check(std::size_t index) const;
  [[nodiscard]] std::string late() const;

  StreamOptions options_;
  load::Target target_;
  load::EdgePoll poll_;
  std::vector<Connection> connections_;
  bool ending_ = false;         ///< No batch is begun any more in this run.
  std::uint64_t batches_ = 0;   ///< Begun in this run.
  std::size_t unreported_ = 0;  ///< Connections with a batch.
};

}  // namespace skysock::bench
