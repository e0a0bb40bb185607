#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::load {

/// Connections to an echo server. Messages are begun on them, go out in order, and what comes back
/// is checked byte by byte in the same order, with any number in flight. When to begin one is the
/// caller's rule: that is what makes a load closed or open. One thread, the caller's. Any error
/// leaves it unusable.
class EchoConnections {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::size_t connections = 1;
    std::size_t bytes = 1;  ///< Per message.
    std::uint64_t seed = 1;
    std::chrono::milliseconds deadline{10'000};  ///< For `open`; named by late().
  };
  using Deadline = std::chrono::steady_clock::time_point;

  /// Connects all, in small groups, and passes message 0 over each: when it returns the server has
  /// accepted all and nothing is in flight.
  [[nodiscard]] static Outcome<EchoConnections> open(Options options);

  [[nodiscard]] std::size_t size() const { return connections_.size(); }
  /// Messages begun and not yet answered, over all connections.
  [[nodiscard]] std::uint64_t in_flight() const { return in_flight_; }
  /// Messages of one connection since `open`, with message 0; the next one's number.
  [[nodiscard]] std::uint64_t begun(std::size_t index) const { return connections_[index].begun; }
  [[nodiscard]] std::uint64_t done(std::size_t index) const { return connections_[index].done; }

  /// Begins messages on one connection: one sendmsg(2) for up to 64 of them, as a client that
  /// pipelines does. What the kernel does not take follows when it has room. Cost: no allocation.
  [[nodiscard]] Outcome<void> begin(std::size_t index, std::uint64_t messages);

  /// Events for `take`, or none when `deadline` passed.
  [[nodiscard]] Outcome<std::span<const epoll_event>> wait(Deadline deadline) {
    return poll_.wait(deadline);
  }
  /// The same, at least one look at the kernel, and back within microseconds of `until`.
  [[nodiscard]] Outcome<std::span<const epoll_event>> wait_precisely(Deadline until) {
    return poll_.wait_precisely(until);
  }

  /// Checks what came and sends what there is room for. `on_done(index, messages)` is called after
  /// each recv(2) that completed some, the last of them done(index) - 1; it returns Outcome<void>
  /// and may begin more.
  template <typename OnDone>
  [[nodiscard]] Outcome<void> take(const epoll_event& event, const OnDone& on_done) {
    const std::size_t index = event.data.u64;
    if ((event.events & EPOLLERR) != 0) return std::unexpected(socket_error(index));
    for (bool drained = (event.events & EPOLLIN) == 0; !drained;) {
      auto received = receive(index);
      if (!received) return std::unexpected(received.error());
      drained = received->drained;
      if (received->messages == 0) continue;
      if (auto done = on_done(index, received->messages); !done) return done;
    }
    return (event.events & EPOLLOUT) != 0 ? flush(index) : Outcome<void>();
  }

  /// Says how many connections wait for an answer after the deadline.
  [[nodiscard]] std::string late() const;

 private:
  struct Connection {
    Fd fd;
    std::uint64_t begun = 0;
    std::uint64_t sent = 0;      ///< Invariant: done <= sent <= begun.
    std::size_t sent_bytes = 0;  ///< Of message `sent`.
    std::uint64_t done = 0;
    std::size_t received_bytes = 0;  ///< Of message `done`.
  };
  struct Received {
    std::uint64_t messages = 0;
    bool drained = false;  ///< Later bytes make a new edge.
  };

  EchoConnections(Options options, Target target, EdgePoll poll);

  [[nodiscard]] unsigned source(std::size_t index) const;
  [[nodiscard]] Outcome<void> connect_group(std::size_t first, std::size_t count,
                                            Deadline deadline);
  [[nodiscard]] Outcome<void> flush(std::size_t index);
  [[nodiscard]] Outcome<Received> receive(std::size_t index);
  [[nodiscard]] Outcome<std::uint64_t> check(std::size_t index, std::span<const std::byte> bytes);
  [[nodiscard]] std::string socket_error(std::size_t index) const;

  Options options_;
  Target target_;
  EdgePoll poll_;
  std::vector<Connection> connections_;
  std::vector<std::byte> buffer_;
  std::uint64_t in_flight_ = 0;
};

}  // namespace skysock::load
