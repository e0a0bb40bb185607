#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>

#include "stress/descriptor.hpp"
#include "stress/ledger.hpp"
#include "stress/plan.hpp"
#include "stress/target.hpp"

namespace skysock::stress {

/// One client connection that follows its plan: connects, sends, reads, ends. Non-blocking; not
/// thread safe. Everything that happens is told to its ledger, which decides what is right.
class Connection {
 public:
  enum class Status : std::uint8_t {
    going,
    complete,       ///< The ledger is satisfied; the fd is closed.
    failed,         ///< `finding()` says how; the fd is closed.
    no_local_port,  ///< Nothing was sent: this machine has no port left for now. Try again later.
  };

  Connection(const Plan& plan, std::uint64_t seed, Totals& totals);

  /// Starts to connect. Returns going, failed, or no_local_port (then it may be called again).
  Status open(const Target& target);
  /// Does a bounded amount of what the socket is ready for; call on any epoll event, or to make
  /// sure that there is nothing to do. `scratch` holds at least max(kReadBytesMax, kWriteBytesMax)
  /// bytes.
  Status advance(std::span<std::byte> scratch);
  /// Sends no message that is not begun, cuts the one that is, and ends as planned (at least 1 byte
  /// is sent).
  void stop_sending();
  /// Nothing moved for `idle_s`: closes and returns the finding.
  Finding give_up(double idle_s, std::string_view reason = {});

  int fd() const { return fd_.get(); }
  bool wants_write() const;
  const Finding& finding() const { return *finding_; }
  std::uint64_t number() const { return ledger_.connection(); }
  /// Grows with each byte moved and each step taken: unchanged means no progress.
  std::uint64_t progress() const { return progress_; }

 private:
  enum class Phase : std::uint8_t { connecting, sending, awaiting_bytes, awaiting_end, over };

  Status finish_connect();
  void write_some(std::span<std::byte> scratch);
  std::uint64_t writable_bytes();
  bool begin_message();
  void end_sending_if_done();
  Status read_some(std::span<std::byte> scratch);
  Status stream_ended(int error);
  Status close_if_drained();
  Status fail(Finding finding);
  Status refuse(std::string_view reason);
  std::string_view awaited() const;

  Plan plan_;
  Prng sizes_;
  ConnectionLedger ledger_;
  Descriptor fd_;
  Phase phase_ = Phase::connecting;
  std::uint32_t messages_left_;
  std::uint64_t begun_bytes_ = 0;  ///< End of the last message begun. Invariant: >= bytes_sent.
  std::deque<std::uint64_t> message_ends_;  ///< Of the messages in flight.
  int write_error_ = 0;  ///< Why no more can be sent; reading goes on to the end.
  std::uint64_t progress_ = 0;
  std::optional<Finding> finding_;
};

}  // namespace skysock::stress
