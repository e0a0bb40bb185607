#pragma once

#include <array>
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

inline constexpr std::size_t kDatagramBytesMin = 16;    ///< A number and some bytes to check.
inline constexpr std::size_t kDatagramBytesMax = 1400;  ///< One packet of an Ethernet.

/// A server's receive buffer of Linux' default size, 212,992 bytes, holds about as many datagrams
/// of 64 bytes, and a third of them of 1,400. The first ones of a run come all at once.
inline constexpr std::size_t kUdpSocketsMax = 256;

struct UdpEchoOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t sockets = 64;
  std::size_t bytes = 64;  ///< Per datagram.
  std::uint64_t seed = 1;
  std::chrono::milliseconds answer_timeout{1'000};  ///< Then a datagram is lost.
  std::chrono::milliseconds deadline{10'000};       ///< For `open`, and again for each `run`.
};

/// What became of the datagrams of one run that were not answered once and in time.
struct UdpTroubles {
  std::uint64_t lost = 0;        ///< No answer within the timeout, and replaced by a new one.
  std::uint64_t late = 0;        ///< Answers to those.
  std::uint64_t duplicates = 0;  ///< Answers to what was answered before.

  UdpTroubles& operator+=(const UdpTroubles& other) {
    lost += other.lost;
    late += other.late;
    duplicates += other.duplicates;
    return *this;
  }
};

/// Ping-pong over UDP: each socket sends a datagram, waits for it to come back, checks every byte,
/// sends the next. A kernel may drop datagrams when a receive buffer is full, so lost ones are
/// counted; of a run of at least 100 datagrams more than 1 % lost, or answered twice, is an error.
/// One thread, the caller's. Any error leaves the load unusable.
class UdpEchoLoad {
 public:
  /// Passes one datagram on each socket.
  [[nodiscard]] static Outcome<UdpEchoLoad> open(UdpEchoOptions options);

  /// Passes `operations` datagrams there and back, split evenly over the sockets; the first ones
  /// take the rest. Outcome: wall time from the first send to the last checked byte. Nothing is in
  /// flight before or after.
  [[nodiscard]] Outcome<std::chrono::nanoseconds> run(std::uint64_t operations);

  /// Keeps one datagram in flight on every socket until `duration` has passed, then waits for the
  /// answers of those. What is lost then is not replaced. Nothing is in flight before or after.
  [[nodiscard]] Outcome<Work> run_for(std::chrono::nanoseconds duration);

  /// From the next run on, counts the time from send to answer of each datagram that is answered in
  /// time; nullptr: no more. Requires: `latencies` outlives the runs.
  void record_into(LatencyHistogram* latencies) { latencies_ = latencies; }
  /// Of the last run.
  [[nodiscard]] const UdpTroubles& troubles() const { return troubles_; }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Socket {
    Fd fd;
    std::uint64_t number = 0;         ///< Of the last datagram sent.
    std::uint64_t left = 0;           ///< Answers due in this run, with that of the one in flight.
    Time sent_at;                     ///< Of the one in flight.
    std::vector<std::uint64_t> lost;  ///< Numbers whose answers may still come, the latest ones.
  };

  static constexpr Time kNever = Time::max();

  UdpEchoLoad(UdpEchoOptions options, Target target, EdgePoll poll);

  [[nodiscard]] Outcome<void> connect(std::size_t index);
  /// Begins a run whose sockets have their `left`, and ends it.
  [[nodiscard]] Outcome<void> drive(Time last_send, Time deadline);
  [[nodiscard]] Outcome<void> serve(std::size_t index, std::uint32_t events);
  [[nodiscard]] Outcome<void> send(std::size_t index);
  /// Reads until the datagram in flight is answered and the next one sent, or nothing is there.
  [[nodiscard]] Outcome<void> receive(std::size_t index);
  [[nodiscard]] Outcome<void> check(std::size_t index, std::size_t size) const;
  [[nodiscard]] Outcome<void> count_answer(std::size_t index);
  [[nodiscard]] Outcome<void> replace_lost(Time now);
  /// Error: `count` is too large a share of what was sent.
  [[nodiscard]] Outcome<void> judge(std::uint64_t count, const char* what) const;
  [[nodiscard]] std::string late() const;

  UdpEchoOptions options_;
  Target target_;
  EdgePoll poll_;
  std::vector<Socket> sockets_;
  std::array<std::byte, kDatagramBytesMax> buffer_{};
  Time last_send_ = kNever;  ///< No datagram is begun after it.
  bool ending_ = false;      ///< `last_send_` has passed.
  std::size_t unfinished_ = 0;
  LatencyHistogram* latencies_ = nullptr;
  // Of the last run:
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
  UdpTroubles troubles_;
};

}  // namespace skysock::load
