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

struct EchoOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t connections = 64;
  std::size_t bytes = 64;  ///< Per message.
  std::uint64_t seed = 1;
  std::chrono::milliseconds deadline{10'000};  ///< For `open`, and again for each `run`.
};

/// Ping-pong clients: each connection sends a message, waits for the whole answer, checks every
/// byte, sends the next. One thread, the caller's. Any error leaves the load unusable.
class EchoLoad {
 public:
  /// Connects all, in small groups, and passes one message over each: when it returns the server
  /// has accepted all.
  [[nodiscard]] static Outcome<EchoLoad> open(EchoOptions options);

  /// Passes `operations` messages in all, split evenly over the connections; the first ones take
  /// the rest. Outcome: wall time from the first send to the last checked byte. Nothing is in
  /// flight before or after.
  [[nodiscard]] Outcome<std::chrono::nanoseconds> run(std::uint64_t operations);

  /// Keeps one message in flight on every connection until `duration` has passed, then waits for
  /// the answers of those. Nothing is in flight before or after.
  [[nodiscard]] Outcome<Work> run_for(std::chrono::nanoseconds duration);

  /// Sends nothing for `duration`. Error: a connection was closed or received a byte meanwhile.
  [[nodiscard]] Outcome<void> hold_for(std::chrono::nanoseconds duration);

 private:
  struct Connection {
    Fd fd;
    std::uint64_t messages_done = 0;
    std::uint64_t messages_left = 0;  ///< Of this run, with the one in flight.
    std::size_t sent = 0;             ///< Bytes of the message in flight.
    std::size_t received = 0;
  };
  using Deadline = std::chrono::steady_clock::time_point;
  static constexpr Deadline kNever = Deadline::max();

  EchoLoad(EchoOptions options, Target target, EdgePoll poll);

  [[nodiscard]] unsigned source(std::size_t index) const;
  [[nodiscard]] Outcome<void> connect_group(std::size_t first, std::size_t count,
                                            Deadline deadline);
  [[nodiscard]] Outcome<void> drive(Deadline deadline);
  [[nodiscard]] Outcome<void> serve(std::size_t index, std::uint32_t events);
  [[nodiscard]] Outcome<void> send(std::size_t index);
  [[nodiscard]] Outcome<void> receive(std::size_t index);
  [[nodiscard]] Outcome<void> accept_bytes(std::size_t index, std::size_t count);
  [[nodiscard]] std::string late() const;

  EchoOptions options_;
  Target target_;
  EdgePoll poll_;
  std::vector<Connection> connections_;
  std::vector<std::byte> buffer_;
  std::uint64_t messages_done_ = 0;  ///< Since `open`.
  Deadline last_send_ = kNever;      ///< No message is begun after it.
  bool ending_ = false;              ///< `last_send_` has passed.
  std::uint64_t unfinished_ = 0;     ///< Connections with messages left in this run.
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
