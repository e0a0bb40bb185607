#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/load/latency.hpp"
#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/work.hpp"

namespace skysock::load {

inline constexpr std::size_t kSubscribersMax = 1'000;
inline constexpr std::size_t kBroadcastBytesMax = 65'536;

struct BroadcastOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t subscribers = 100;
  std::size_t bytes = 64;                     ///< Per message.
  std::chrono::milliseconds probe_period{5};  ///< 0: no accept probes.
  std::uint64_t seed = 1;
  std::chrono::milliseconds deadline{10'000};  ///< For `open`, and again for each `run`.
};

/// One publisher and its subscribers: a message is published, every subscriber must have the whole
/// of it and nothing else, then comes the next. Meanwhile accept probes ask how long somebody new
/// waits: each connects, sends one byte, waits for it and closes (FIN). An operation is one copy of
/// a message, delivered. One thread, the caller's. Any error leaves the load unusable.
class BroadcastLoad {
 public:
  /// Connects all, in small groups, and passes one message.
  [[nodiscard]] static Outcome<BroadcastLoad> open(BroadcastOptions options);

  /// Publishes messages for at least `operations` copies: a message has one per subscriber.
  /// Outcome: wall time from the first send to the last checked byte. No message is under way
  /// before or after. It does not probe, so that the copies alone are what the server works for.
  [[nodiscard]] Outcome<std::chrono::nanoseconds> run(std::uint64_t operations);

  /// Publishes until `duration` has passed, then waits for the last message and the probes. No
  /// message and no probe is under way before or after.
  [[nodiscard]] Outcome<Work> run_for(std::chrono::nanoseconds duration);

  /// From the next run on, counts the time of each message from its send to the last byte at the
  /// last subscriber; nullptr: no more. Requires: `latencies` outlives the runs.
  void record_into(LatencyHistogram* latencies) { latencies_ = latencies; }
  /// From connect to the byte that comes back, of each probe of the last run. A probe begins when
  /// it is due, however many still wait, at most a millisecond or one round of events late; its
  /// answer is read in turn with the copies that came before it.
  [[nodiscard]] const LatencyHistogram& probe_latency() const { return probe_latency_; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  /// A connection; its first byte says what it is.
  struct Member {
    Fd fd;
    char letter = 's';  ///< 's' subscriber, 'p' publisher, 'a' accept probe.
    bool said = false;
    bool greeted = false;      ///< The byte came back.
    std::size_t received = 0;  ///< Of the message, by a subscriber.
    Time begun;
  };

  static constexpr Time kNever = Time::max();

  BroadcastLoad(BroadcastOptions options, Target target, EdgePoll poll);

  [[nodiscard]] std::size_t publisher() const { return options_.subscribers; }
  /// Connects the members [first, first + count) and waits until they are greeted.
  [[nodiscard]] Outcome<void> join(std::size_t first, std::size_t count, Time deadline);
  [[nodiscard]] Outcome<void> begin(std::size_t index, char letter);
  [[nodiscard]] Outcome<void> begin_probe();
  /// Publishes until `messages` are begun or `last_begin` has passed; begins probes from
  /// `next_probe` on.
  [[nodiscard]] Outcome<void> drive(std::uint64_t messages, Time last_begin, Time deadline,
                                    Time next_probe);
  /// Waits until `until` at the latest and serves what is ready. Error: the deadline.
  [[nodiscard]] Outcome<void> step(Time until, Time deadline);
  [[nodiscard]] Outcome<void> serve(std::size_t index, std::uint32_t events);
  [[nodiscard]] Outcome<void> say(std::size_t index);
  [[nodiscard]] Outcome<void> receive(std::size_t index);
  [[nodiscard]] Outcome<void> take(std::size_t index, std::span<const std::byte> bytes);
  [[nodiscard]] Outcome<void> greet(std::size_t index, std::byte letter);
  [[nodiscard]] Outcome<void> take_copy(std::size_t index, std::span<const std::byte> bytes);
  [[nodiscard]] Outcome<void> begin_message();
  [[nodiscard]] Outcome<void> publish();
  [[nodiscard]] std::string name(std::size_t index) const;
  [[nodiscard]] std::string closed(std::size_t index) const;
  [[nodiscard]] std::string late() const;

  BroadcastOptions options_;
  Target target_;
  EdgePoll poll_;
  std::vector<Member> members_;  ///< Subscribers, the publisher, places for probes.
  std::vector<std::byte> buffer_;
  std::size_t ungreeted_ = 0;        ///< Members; with the probes under way.
  std::uint64_t message_ = 0;        ///< The number of the last one, from 1.
  std::size_t published_ = 0;        ///< Bytes of it that the kernel took.
  std::size_t waiting_ = 0;          ///< Subscribers that do not have all of it.
  std::uint64_t messages_left_ = 0;  ///< To begin in this run.
  Time message_begun_;
  Time last_begin_ = kNever;  ///< No message is begun after it.
  bool ending_ = false;       ///< `last_begin_` has passed.
  LatencyHistogram* latencies_ = nullptr;
  // Of the last run:
  std::uint64_t messages_done_ = 0;
  LatencyHistogram probe_latency_;
};

}  // namespace skysock::load
