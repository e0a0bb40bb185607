#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "core/net/reactor.hpp"

namespace skysock {

/// What all calls of a server use, on whichever thread.
template <Syscalls Sys>
struct ServerParts {
  ServerParts(Sys& sys_in, const Tuning& tuning_in, ControlChannel<Sys> channel_in)
      : sys(sys_in),
        tuning(tuning_in),
        shared(static_cast<std::size_t>(tuning_in.slots)),
        channel(std::move(channel_in)) {}

  ServerParts(const ServerParts&) = delete;
  ServerParts& operator=(const ServerParts&) = delete;
  ~ServerParts() {
    channel.shut();
    for (const ParkedFd& parked : shared.fds.take_all()) {
      if (parked.kind != ParkedFd::Kind::borrowed) sys.close(parked.fd);
    }
  }

  Sys& sys;
  Tuning tuning;
  Shared shared;
  ControlChannel<Sys> channel;
  ReactorCounters counters;
  std::unique_ptr<Reactor<Sys>> reactor;
  bool batches_sends = false;                 ///< The poller takes sends of the reactor's thread.
  std::atomic<const void*> polling{nullptr};  ///< Who is inside poll(), as Sys says.
  std::atomic<bool> exited{false};

  [[nodiscard]] bool on_reactor_thread() const {
    return polling.load(std::memory_order_relaxed) == sys.this_thread();
  }

  template <typename Packet>
  Result<void> give(Packet packet) {
    if (!on_reactor_thread()) return channel.send(encode(std::move(packet)));
    reactor->give(std::move(packet));
    return {};
  }

  void wake() {
    shared.woken.store(true, std::memory_order_seq_cst);
    if (!on_reactor_thread()) channel.wake();
  }

  /// Has `call` called on the reactor thread, behind every packet that this thread has sent.
  void visit(std::move_only_function<void()> call) {
    {
      const std::lock_guard lock(shared.inbox.mutex);
      shared.inbox.visits.push_back({.call = std::move(call), .mark = channel.mark()});
    }
    sys.yield_point(YieldPoint::visit_listed);
    wake();
  }
};

}  // namespace skysock
