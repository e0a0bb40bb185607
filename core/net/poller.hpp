#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/net/epoll_poller.hpp"
#include "core/net/uring_poller.hpp"

namespace skysock {

/// The poller of one server, chosen by the tuning; epoll where the kernel has no io_uring. What
/// every member means: see EpollPoller, and for sends UringPoller.
template <Syscalls Sys>
class Poller {
  static constexpr bool kHasUring = !std::same_as<typename Sys::Uring, NoUring>;

 public:
  static Result<Poller> create(Sys& sys, const Tuning& tuning) {
    std::error_code why_no_uring;
    if (tuning.poller == static_cast<std::int64_t>(PollerKind::io_uring)) {
      if constexpr (kHasUring) {
        Result<UringOwner> made = UringPoller<Sys>::create(sys, tuning);
        if (made) return Poller(std::move(*made));
        why_no_uring = made.error();
      } else {
        why_no_uring = Sys::Uring::create(0).error();
      }
    }
    Result<EpollPoller<Sys>> made = EpollPoller<Sys>::create(sys, tuning);
    if (!made) return Failure(made.error());
    Poller poller(std::move(*made));
    poller.in_use_.why_no_uring = why_no_uring;
    if (!why_no_uring) poller.in_use_.kind = static_cast<PollerKind>(tuning.poller);
    return poller;
  }

  [[nodiscard]] const PollerInUse& in_use() const { return in_use_; }

  Result<void> add_channel(int fd) {
    return with([&](auto& poller) { return poller.add_channel(fd); });
  }
  Result<void> watch(const PolledSocket& socket, Watch watch, bool output) {
    return with([&](auto& poller) { return poller.watch(socket, watch, output); });
  }
  void forget(const PolledSocket& socket) {
    with([&](auto& poller) { poller.forget(socket); });
  }
  void unread_left(const PolledSocket& socket) {
    with([&](auto& poller) { poller.unread_left(socket); });
  }
  [[nodiscard]] std::uint32_t first_read_size() {
    return with([](auto& poller) { return poller.first_read_size(); });
  }
  template <typename OnSent>
  std::span<const Ready> wait(int timeout_ms, OnSent&& on_sent) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) [[unlikely]]
        return uring->wait(timeout_ms, on_sent);
    }
    return epoll_->wait(timeout_ms);
  }
  /// Calls `what(poller)` with the one there is. Each has a `what` of its own, which the compiler
  /// can inline: complete() takes every message.
  template <typename Do>
  [[gnu::always_inline]] decltype(auto) with(Do&& what) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) [[unlikely]]
        return what(*uring);
    }
    return what(*epoll_);
  }

  // What epoll needs nothing for.

  bool drop(const Ready& ready) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) [[unlikely]]
        return uring->drop(ready);
    }
    return true;
  }
  template <typename OnSent>
  void leave(const PolledSocket& socket, OnSent&& on_sent) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) uring->leave(socket, on_sent);
    }
  }
  template <typename MakePayload>
  bool send(SocketId id, int fd, std::size_t bytes, MakePayload&& make_payload) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) [[unlikely]]
        return uring->send(id, fd, bytes, make_payload);
    }
    return false;
  }
  [[nodiscard]] bool has_sends() const {
    if constexpr (kHasUring) {
      if (const UringPoller<Sys>* uring = uring_.get()) [[unlikely]]
        return uring->has_sends();
    }
    return false;
  }
  template <typename OnSent>
  bool finish_sends(OnSent&& on_sent) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) [[unlikely]]
        return uring->finish_sends(on_sent);
    }
    return false;
  }
  template <typename OnSent>
  void stop(OnSent&& on_sent) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) uring->stop(on_sent);
    }
  }

 private:
  using UringOwner =
      std::conditional_t<kHasUring, std::unique_ptr<UringPoller<Sys>>, std::monostate>;

  explicit Poller(EpollPoller<Sys> epoll) : epoll_(std::move(epoll)) {}
  explicit Poller(UringOwner uring) : uring_(std::move(uring)) {
    in_use_.kind = PollerKind::io_uring;
  }

  /// nullptr: it is epoll.
  UringPoller<Sys>* uring() { return uring_.get(); }

  // One of them is there.
  std::optional<EpollPoller<Sys>> epoll_;
  UringOwner uring_;
  PollerInUse in_use_;
};

}  // namespace skysock
