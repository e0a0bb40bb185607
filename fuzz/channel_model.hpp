#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/net/control_packet.hpp"
#include "fuzz/packet_reference.hpp"

namespace skysock::fuzz {

/// What was sent on one id, as far as the control channel says.
struct Conversation {
  std::vector<std::string> high;  ///< Payloads in the order in which the reactor takes them.
  std::vector<std::string> low;
  bool closed = false;   ///< A close packet is in the channel: what comes later is dropped.
  bool aborted = false;  ///< One of them is abortive.
  /// A payload meant for another id came: whether this one could take it is not modelled.
  bool unsure = false;
};

/// The control channel as an outsider sees it: takes every byte that is written to the pipe, cuts
/// it into packets by itself and keeps what must follow from them. Shares no code with the reactor.
class ChannelModel {
 public:
  /// `bytes` were written to the pipe.
  void feed(std::span<const std::byte> bytes);
  /// The reactor read everything that is in the pipe.
  void consume();
  [[nodiscard]] bool all_consumed() const { return unread_.empty(); }

  /// `id` was handed out by the server.
  void id_known(std::uint32_t id) { known_.insert(id); }
  /// A call of the API parked `payload`, meant for `id`, (or a descriptor) under `token`.
  void payload_parked(Token token, std::uint32_t id, std::string payload) {
    payloads_[token] = {id, std::move(payload)};
  }
  void fd_parked(Token token) { fds_.insert(token); }

  /// How many bytes would complete the packet that has begun; 1 when not even its length is there.
  /// Requires: all_consumed().
  [[nodiscard]] std::size_t missing() const;

  /// The id that connects to `port`; 0 when none or more than one was told to.
  [[nodiscard]] std::uint32_t id_of_port(std::uint16_t port) const;
  [[nodiscard]] const Conversation& conversation(std::uint32_t id) { return conversations_[id]; }

  [[nodiscard]] std::uint64_t packets() const { return packets_; }
  [[nodiscard]] std::uint64_t decode_errors() const { return decode_errors_; }
  [[nodiscard]] std::uint64_t stale_tokens() const { return stale_tokens_; }
  [[nodiscard]] bool exit_sent() const { return exit_sent_; }
  [[nodiscard]] std::size_t payloads_parked() const { return payloads_.size(); }
  [[nodiscard]] std::size_t fds_parked() const { return fds_.size(); }

 private:
  void take(std::span<const std::byte> packet);
  void take_send(const FlatPacket& packet, Conversation& conversation);

  std::vector<std::byte> unread_;
  std::vector<std::byte> held_;  ///< The packet that is not complete yet.
  std::set<std::uint32_t> known_;
  std::map<Token, std::pair<std::uint32_t, std::string>> payloads_;
  std::set<Token> fds_;
  std::map<std::uint32_t, Conversation> conversations_;
  std::map<std::uint16_t, std::set<std::uint32_t>> ports_;
  std::uint64_t packets_ = 0;
  std::uint64_t decode_errors_ = 0;
  std::uint64_t stale_tokens_ = 0;
  bool exit_sent_ = false;
};

}  // namespace skysock::fuzz
