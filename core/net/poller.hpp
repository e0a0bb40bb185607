#pragma once

#include <concepts>
#include <memory>
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
    PollerInUse in_use{.kind = static_cast<PollerKind>(tuning.poller)};
    if (in_use.kind == PollerKind::io_uring) {
      if constexpr (kHasUring) {
        Result<std::unique_ptr<UringPoller<Sys>>> made = UringPoller<Sys>::create(sys, tuning);
        if (made) return Poller(Kinds(std::move(*made)), in_use);
        in_use.why_no_uring = made.error();
      } else {
        in_use.why_no_uring = Sys::Uring::create(0).error();
      }
      in_use.kind = PollerKind::epoll_lt;
    }
    Result<EpollPoller<Sys>> made = EpollPoller<Sys>::create(sys, tuning);
    if (!made) return Failure(made.error());
    return Poller(Kinds(std::move(*made)), in_use);
  }

  [[nodiscard]] const PollerInUse& in_use() const { return in_use_; }

  Result<void> add_channel(int fd) {
    return visit([&](auto& poller) { return poller.add_channel(fd); });
  }
  Result<void> watch(const PolledSocket& socket, Watch watch, bool output) {
    return visit([&](auto& poller) { return poller.watch(socket, watch, output); });
  }
  void forget(const PolledSocket& socket) {
    visit([&](auto& poller) { poller.forget(socket); });
  }
  void unread_left(const PolledSocket& socket) {
    visit([&](auto& poller) { poller.unread_left(socket); });
  }
  [[nodiscard]] std::uint32_t first_read_size() {
    return visit([](auto& poller) { return poller.first_read_size(); });
  }
  template <typename OnSent>
  std::span<const Ready> wait(int timeout_ms, OnSent&& on_sent) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) return uring->wait(timeout_ms, on_sent);
    }
    return epoll().wait(timeout_ms);
  }
  template <typename OnEvent>
  void complete(std::uint32_t events, const PolledSocket& socket, Watch watch, OnEvent&& on_event) {
    visit([&](auto& poller) { poller.complete(events, socket, watch, on_event); });
  }

  // What epoll needs nothing for.

  bool drop(const Ready& ready) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) return uring->drop(ready);
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
      if (UringPoller<Sys>* uring = this->uring()) return uring->send(id, fd, bytes, make_payload);
    }
    return false;
  }
  template <typename OnSent>
  bool finish_sends(OnSent&& on_sent) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) return uring->finish_sends(on_sent);
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
  using Kinds =
      std::conditional_t<kHasUring,
                         std::variant<EpollPoller<Sys>, std::unique_ptr<UringPoller<Sys>>>,
                         std::variant<EpollPoller<Sys>>>;

  Poller(Kinds poller, const PollerInUse& in_use) : poller_(std::move(poller)), in_use_(in_use) {}

  EpollPoller<Sys>& epoll() { return *std::get_if<EpollPoller<Sys>>(&poller_); }
  /// nullptr: it is epoll.
  UringPoller<Sys>* uring() {
    auto* found = std::get_if<std::unique_ptr<UringPoller<Sys>>>(&poller_);
    return found == nullptr ? nullptr : found->get();
  }

  template <typename Do>
  [[gnu::always_inline]] decltype(auto) visit(Do&& what) {
    if constexpr (kHasUring) {
      if (UringPoller<Sys>* uring = this->uring()) return what(*uring);
    }
    return what(epoll());
  }

  Kinds poller_;
  PollerInUse in_use_;
};

}  // namespace skysock
