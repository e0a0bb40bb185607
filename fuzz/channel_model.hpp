#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "core/net/control_packet.hpp"
#include "fuzz/packet_reference.hpp"

namespace skysock::fuzz {

/// What was sent on one id, as far as callers and the control channel say.
struct Conversation {
  std::vector<std::string> high;  ///< Payloads in the order in which they go out.
  std::vector<std::string> low;
  bool started = true;   ///< Before that, what comes is dropped.
  bool closed = false;   ///< The owner's side is closed: what comes later is dropped.
  bool aborted = false;  ///< Abortively.
};

/// A well-formed packet, and what lay under its token if that was its own.
struct TakenPacket {
  FlatPacket packet;
  std::optional<std::size_t> payload_bytes;
};

/// What lies under tokens that are handed out as the server does it: a token is a place and, above
/// bit 32, how often it was used; the place that was left last is used first.
template <typename T>
class ParkedValues {
 public:
  Token park(T value) {
    Token token = Token{1} << 32U | places_;
    if (left_.empty()) {
      ++places_;
    } else {
      token = left_.back();
      left_.pop_back();
    }
    values_.emplace(token, std::move(value));
    return token;
  }

  [[nodiscard]] const T* find(Token token) const {
    const auto found = values_.find(token);
    return found == values_.end() ? nullptr : &found->second;
  }

  /// Requires: find(token) != nullptr.
  T take(Token token) {
    auto node = values_.extract(token);
    SKYSOCK_CHECK(!node.empty());
    left_.push_back(token + (Token{1} << 32U));
    return std::move(node.mapped());
  }

  [[nodiscard]] const std::map<Token, T>& all() const { return values_; }

 private:
  std::map<Token, T> values_;
  std::vector<Token> left_;
  Token places_ = 0;
};

/// The control channel as an outsider sees it: gets every byte that is put into it, cuts it into
/// packets by itself and keeps what must follow from them. Shares no code with the reactor.
class ChannelModel {
 public:
  // ---- What was put in.

  /// `bytes` are in the channel.
  void feed(std::span<const std::byte> bytes);
  /// A packet was given inside a callback: it goes past the channel.
  void feed_local(const ControlPacket& packet);
  /// `id` exists.
  void id_known(std::uint32_t id) { known_.insert(id); }
  /// `id` was accepted, and takes nothing before its first 'S'.
  void accepted(std::uint32_t id) {
    known_.insert(id);
    conversations_[id].started = false;
  }
  /// A call parked what its packet will name; returns the token.
  Token park_payload(std::uint32_t id, std::string payload) {
    return payloads_.park({id, std::move(payload)});
  }
  /// `letter`: of the packet that may take it; 'U' for 'N', too.
  Token park_fd(std::uint32_t id, char letter) { return fds_.park({id, letter}); }
  /// The kernel took (the beginning of) `payload` before anything came into the channel.
  void written_directly(std::uint32_t id, std::string payload) {
    written_directly(id, std::move(payload), conversations_[id].high.size());
  }
  /// The same, when so many messages had gone out. What came into the channel since is behind it.
  void written_directly(std::uint32_t id, std::string payload, std::size_t place) {
    auto& high = conversations_[id].high;
    high.insert(high.begin() + static_cast<std::ptrdiff_t>(place), std::move(payload));
  }

  // ---- What came out.

  /// The reactor has taken `packets` in all, local ones first.
  void advance(std::uint64_t packets);
  /// The reactor closed `id` on its owner's behalf.
  void closed(SocketId id) { conversations_[static_cast<std::uint32_t>(id)].closed = true; }
  /// The well-formed packets that advance() took since the last call.
  std::vector<TakenPacket> take_log() { return std::exchange(log_, {}); }

  /// A local packet waits.
  [[nodiscard]] bool has_local() const { return !local_.empty(); }
  /// No whole packet waits.
  [[nodiscard]] bool all_consumed() const { return missing() > 0 || stream_.empty(); }
  [[nodiscard]] std::size_t unread_bytes() const { return stream_.size(); }
  /// How many bytes would complete the packet at the front; 1 when not even its length is there; 0
  /// when there is none, or a whole one.
  [[nodiscard]] std::size_t missing() const;

  /// The id that connects to `port`; 0 when none or more than one was told to.
  [[nodiscard]] std::uint32_t id_of_port(std::uint16_t port) const;
  [[nodiscard]] const Conversation& conversation(SocketId id) {
    return conversations_[static_cast<std::uint32_t>(id)];
  }
  /// Bytes counted for `id` that the reactor has not seen; each send counts `keep_bytes` more.
  [[nodiscard]] std::uint64_t parked_bytes(SocketId id, std::uint64_t keep_bytes) const;

  [[nodiscard]] std::uint64_t packets() const { return packets_; }
  [[nodiscard]] std::uint64_t packets_of(char letter) const {
    return by_letter_[static_cast<unsigned char>(letter)];
  }
  [[nodiscard]] std::uint64_t decode_errors() const { return decode_errors_; }
  [[nodiscard]] std::uint64_t stale_tokens() const { return stale_tokens_; }
  [[nodiscard]] bool exit_sent() const { return exit_sent_; }
  [[nodiscard]] std::size_t payloads_parked() const { return payloads_.all().size(); }
  /// Descriptors of that letter whose packet was lost or is on its way.
  [[nodiscard]] std::size_t fds_parked(char letter) const;

 private:
  void take(const Reading& reading);
  void take_send(const FlatPacket& packet);
  void take_given(const FlatPacket& packet);
  void take_fd(const FlatPacket& packet);

  struct Payload {
    std::uint32_t id;  ///< Whose it is; 0: bytes that are given back.
    std::string text;
  };
  struct Fd {
    std::uint32_t id;
    char letter;
  };

  std::vector<std::byte> stream_;
  std::deque<FlatPacket> local_;
  std::vector<TakenPacket> log_;
  std::set<std::uint32_t> known_;
  ParkedValues<Payload> payloads_;
  ParkedValues<Fd> fds_;
  std::map<std::uint32_t, Conversation> conversations_;
  std::map<std::uint16_t, std::set<std::uint32_t>> ports_;
  std::array<std::uint64_t, 256> by_letter_{};
  std::uint64_t packets_ = 0;
  std::uint64_t decode_errors_ = 0;
  std::uint64_t stale_tokens_ = 0;
  bool exit_sent_ = false;
};

}  // namespace skysock::fuzz
