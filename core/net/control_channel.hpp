#pragma once

#include <utility>
#include <variant>

#include "core/net/pipe_channel.hpp"
#include "core/net/ring_channel.hpp"
#include "core/net/tuning.hpp"

namespace skysock {

/// The control channel of one server: a pipe or a ring, chosen by the tuning. The encoding is the
/// same, and so is what every member means; see RingChannel.
template <Syscalls Sys>
class ControlChannel {
 public:
  static Result<ControlChannel> create(Sys& sys, const Tuning& tuning) {
    const auto bytes = static_cast<std::size_t>(tuning.ring_bytes);
    return tuning.control == static_cast<std::int64_t>(ChannelKind::pipe)
               ? wrap(PipeChannel<Sys>::create(sys, bytes))
               : wrap(RingChannel<Sys>::create(sys, bytes));
  }

  [[nodiscard]] int ready_fd() const {
    return visit([](const auto& channel) { return channel.ready_fd(); });
  }
  [[nodiscard]] int wake_fd() const {
    return visit([](const auto& channel) { return channel.wake_fd(); });
  }
  Result<void> send(const EncodedPacket& packet) {
    return visit([&](auto& channel) { return channel.send(packet); });
  }
  Result<void> send_bytes(std::span<const std::byte> bytes) {
    return visit([&](auto& channel) { return channel.send_bytes(bytes); });
  }
  [[nodiscard]] bool pending() const {
    return visit([](const auto& channel) { return channel.pending(); });
  }
  [[nodiscard]] std::uint64_t mark() const {
    return visit([](const auto& channel) { return channel.mark(); });
  }
  [[nodiscard]] bool passed(std::uint64_t mark) const {
    return visit([mark](const auto& channel) { return channel.passed(mark); });
  }
  template <typename OnPacket>
  std::size_t receive(OnPacket&& on_packet, std::size_t packets_max) {
    return visit([&](auto& channel) { return channel.receive(on_packet, packets_max); });
  }
  bool prepare_wait() {
    return visit([](auto& channel) { return channel.prepare_wait(); });
  }
  void finish_wait() {
    visit([](auto& channel) { channel.finish_wait(); });
  }
  void wake() {
    visit([](auto& channel) { channel.wake(); });
  }
  void shut() {
    visit([](auto& channel) { channel.shut(); });
  }
  [[nodiscard]] ChannelCounters counters() const {
    return visit([](const auto& channel) { return channel.counters(); });
  }

 private:
  using Kinds = std::variant<PipeChannel<Sys>, RingChannel<Sys>>;

  explicit ControlChannel(Kinds channel) : channel_(std::move(channel)) {}

  template <typename Channel>
  static Result<ControlChannel> wrap(Result<Channel> made) {
    if (!made) return Failure(made.error());
    return ControlChannel(Kinds(std::move(*made)));
  }

  template <typename Do>
  decltype(auto) visit(Do&& what) {
    return std::visit(std::forward<Do>(what), channel_);
  }
  template <typename Do>
  decltype(auto) visit(Do&& what) const {
    return std::visit(std::forward<Do>(what), channel_);
  }

  Kinds channel_;
};

}  // namespace skysock
