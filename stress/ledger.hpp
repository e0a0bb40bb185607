#pragma once

// The oracle: what a connection may look like from outside, from the bytes that went in and the
// bytes that came back. It knows nothing of sockets or of the server, so it cannot share a mistake
// with either.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "stress/pattern.hpp"

namespace skysock::stress {

enum class FailureKind : std::uint8_t {
  mismatch,  ///< A byte came back that is not the one sent at its offset.
  loss,      ///< The stream ended (EOF or reset) before every byte was back.
  extra,     ///< More bytes came back than were sent.
  refused,   ///< The connection could not be made.
  hang,      ///< No progress for the hang timeout.
  server,    ///< The server died, or did not end with status 0 when asked to.
  client,    ///< A client process died or did not report: what it saw is unknown.
};
inline constexpr std::size_t kFailureKinds = 7;

std::string_view name_of(FailureKind kind);
std::optional<FailureKind> failure_kind_named(std::string_view name);

/// One thing that went wrong, with all that is needed to look at it. Bytes are set for a mismatch
/// only.
struct Finding {
  FailureKind kind = FailureKind::mismatch;
  std::uint64_t connection = 0;
  std::uint64_t offset = 0;
  std::optional<std::uint8_t> expected;
  std::optional<std::uint8_t> got;
  std::string detail;

  bool operator==(const Finding&) const = default;
};

/// Sums over connections. Invariant: bytes_verified <= bytes_sent.
struct Totals {
  std::uint64_t connections_started = 0;
  std::uint64_t connections_completed = 0;
  std::uint64_t half_closes_completed = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_verified = 0;
  std::array<std::uint64_t, kFailureKinds> failures{};

  std::uint64_t count(FailureKind kind) const { return failures[static_cast<std::size_t>(kind)]; }
  std::uint64_t failure_count() const;
  void add(const Totals& other);
  bool operator==(const Totals&) const = default;
};

/// Connection numbers are unique over a run: the client's index above, its own count below.
inline constexpr unsigned kClientShift = 32;
constexpr std::uint64_t connection_number(std::uint64_t client, std::uint64_t sequence) {
  return (client << kClientShift) | sequence;
}

/// How the client ends a connection, once it has sent all that it meant to send.
enum class Ending : std::uint8_t {
  half_close,        ///< SHUT_WR at once; then every byte must come back, and then EOF.
  drain_then_close,  ///< Wait for every byte, then close.
};

/// The account of one connection. Every finding ends it and is counted in `totals` once; no call
/// may follow.
class ConnectionLedger {
 public:
  ConnectionLedger(std::uint64_t seed, std::uint64_t connection, Totals& totals);

  /// `bytes` more were handed to the kernel. Requires: sending.
  void sent(std::uint64_t bytes);
  /// No more will be sent. Requires: sending.
  void finished_sending(Ending ending);

  /// Checks the next bytes of the stream, in order. Finds mismatch and extra.
  [[nodiscard]] std::optional<Finding> received(std::span<const std::byte> bytes);
  /// The stream ended: no error is EOF. Right only after a half-close with every byte back (then
  /// complete).
  [[nodiscard]] std::optional<Finding> stream_ended(std::error_code error);
  /// The client closes now. Requires: ending drain_then_close and all_back().
  void closed();

  [[nodiscard]] Finding refused(std::string_view reason);
  /// Nothing moved for too long; `waiting_for` says what was due.
  [[nodiscard]] Finding hung(std::string_view waiting_for, double idle_s);

  std::uint64_t connection() const { return connection_; }
  const Pattern& pattern() const { return pattern_; }
  std::uint64_t bytes_sent() const { return sent_; }
  std::uint64_t bytes_verified() const { return verified_; }
  bool all_back() const { return verified_ == sent_; }

 private:
  enum class State : std::uint8_t { sending, half_closed, draining, complete, failed };

  Finding fail(FailureKind kind, std::string detail);
  Finding mismatch(std::span<const std::byte> bytes);
  bool ended() const { return state_ == State::complete || state_ == State::failed; }
  void complete();

  Pattern pattern_;
  std::uint64_t connection_;
  Totals& totals_;
  std::uint64_t sent_ = 0;
  std::uint64_t verified_ = 0;
  State state_ = State::sending;
};

}  // namespace skysock::stress
