#pragma once

// Definitions of UringPoller<Sys>: what the ring completed becomes what the reactor is told.

#include <cerrno>

#include "core/net/uring_poller.hpp"

namespace skysock {

namespace detail {
/// Whether another accept may succeed at once: that connection is gone, or we cancelled.
inline bool is_passing(int error) {
  return error == ECANCELED || error == EAGAIN || error == EINTR || error == ECONNABORTED ||
         error == EPROTO;
}
}  // namespace detail

template <Syscalls Sys>
template <typename OnEvent>
void UringPoller<Sys>::complete_kept(const PolledSocket& socket, Watch watch, OnEvent& on_event) {
  Registration& registration = socket.registration;
  if (registration.kept) {
    const KeptForSocket& kept = kept_.of(socket);
    const bool failed = watch == Watch::held && kept.end.value_or(0) != 0;
    if (watch == Watch::accept && !deliver_accepted(socket, on_event)) return;
    if ((watch == Watch::read || failed) && !deliver_received(socket, watch, on_event)) return;
  }
  if (registration.by_ring && !registration.kept) resume(socket);
}

/// Hands over what was received, as much as one turn allows. Returns whether everything was, and
/// the socket is still there.
template <Syscalls Sys>
template <typename OnEvent>
bool UringPoller<Sys>::deliver_received(const PolledSocket& socket, Watch watch,
                                        OnEvent& on_event) {
  KeptForSocket& kept = kept_.of(socket);
  std::size_t total = 0;
  for (std::size_t turn = 0; !kept.received.empty(); ++turn) {
    total += kept.received.front().size();
    if (turn > 0 && (turn >= reads_per_event_ || total > bytes_per_event_)) {
      // The peer sends faster than its turns come: the kernel holds it back.
      disarm(socket);
      kept_.look_at(socket);
      return false;
    }
    Block block = std::move(kept.received.front());
    kept.received.pop_front();
    if (!on_event(Received{std::move(block)})) return false;
  }
  const std::optional<int> end = kept.end;
  kept_.take(socket);
  // A held socket hears of the stream's end when it is resumed, which finds it once more.
  if (!end || (*end == 0 && watch == Watch::held)) return true;
  if (*end == 0) {
    on_event(Eof{});
  } else {
    on_event(IoError{errno_code(*end)});
  }
  return false;
}

/// As deliver_received().
template <Syscalls Sys>
template <typename OnEvent>
bool UringPoller<Sys>::deliver_accepted(const PolledSocket& listener, OnEvent& on_event) {
  KeptForSocket& kept = kept_.of(listener);
  for (std::size_t turn = 0; !kept.accepted.empty(); ++turn) {
    if (turn == accept_batch_) {
      disarm(listener);
      kept_.look_at(listener);
      return false;
    }
    const int fd = kept.accepted.front();
    kept.accepted.pop_front();
    if (!on_event(accepted(fd))) return false;
  }
  kept_.take(listener);
  return true;
}

// ---- Receiving

/// Why a request for reading ended, if its socket is to hear of it: 0, the stream's end, or an
/// errno.
template <Syscalls Sys>
std::optional<int> UringPoller<Sys>::end_of(const UringCompletion& one) {
  if (one.has_buffer) buffers_.give_back(ring_, one.buffer);
  switch (-one.result) {
    case ENOBUFS:
      buffers_.grow(ring_);
      return std::nullopt;
    case ECANCELED:
    case EAGAIN:
    case EINTR:
      return std::nullopt;
    default:
      return -one.result;
  }
}

template <Syscalls Sys>
template <typename OnEvent>
void UringPoller<Sys>::complete_receives(UringRun& run, const PolledSocket& socket, Watch watch,
                                         OnEvent& on_event) {
  Registration& registration = socket.registration;
  const UringCompletion last = runs_.completions_of(run).back();
  if (!last.more) registration.armed = registration.ending = false;
  if (run.count > 1 || registration.kept || watch != Watch::read) {
    keep_received(run, socket);
    // What is due comes later in this batch.
    if (!registration.kept || registration.due) return;
    return complete_kept(socket, watch, on_event);
  }
  run.count = 0;
  bool goes_on = true;
  if (last.result > 0) [[likely]] {
    const auto bytes = static_cast<std::size_t>(last.result);
    goes_on = on_event(Received{buffers_.take(ring_, last.buffer, bytes)});
  } else if (const std::optional<int> end = end_of(last); end && *end == 0) {
    goes_on = on_event(Eof{});
  } else if (end) {
    goes_on = on_event(IoError{errno_code(*end)});
  }
  if (goes_on && !registration.armed && registration.by_ring) resume(socket);
}

template <Syscalls Sys>
void UringPoller<Sys>::keep_received(UringRun& run, const PolledSocket& socket) {
  for (const UringCompletion& one : runs_.completions_of(run)) {
    if (one.result > 0) {
      const auto bytes = static_cast<std::size_t>(one.result);
      kept_.of(socket).received.push_back(buffers_.take(ring_, one.buffer, bytes));
    } else if (const std::optional<int> end = end_of(one)) {
      kept_.of(socket).end = end;
    }
  }
  run.count = 0;
  Registration& registration = socket.registration;
  if (!registration.kept && !registration.armed && registration.by_ring) resume(socket);
}

// ---- Accepting

template <Syscalls Sys>
template <typename OnEvent>
void UringPoller<Sys>::complete_accepts(UringRun& run, const PolledSocket& listener, Watch watch,
                                        OnEvent& on_event) {
  Registration& registration = listener.registration;
  const UringCompletion last = runs_.completions_of(run).back();
  if (!last.more) registration.armed = registration.ending = false;
  if (run.count == 1 && last.result >= 0 && !registration.kept && watch == Watch::accept) {
    run.count = 0;
    const bool goes_on = on_event(accepted(last.result));
    if (goes_on && !registration.armed && registration.by_ring) resume(listener);
    return;
  }
  for (const UringCompletion& one : runs_.completions_of(run)) {
    if (one.result >= 0) kept_.of(listener).accepted.push_back(one.result);
  }
  run.count = 0;
  if (last.result < 0 && !detail::is_passing(-last.result) && registration.by_ring) {
    // epoll looks at a listener only once somebody waits: the ring would fail again and again.
    registration.by_epoll = true;
    const Result<void> told = this->watch(listener, Watch::accept, false);
    if (!told) return static_cast<void>(on_event(IoError{told.error()}));
  }
  if (!registration.due) complete_kept(listener, watch, on_event);
}

// ---- What epoll tells

template <Syscalls Sys>
template <typename OnEvent>
void UringPoller<Sys>::complete_rest(std::uint32_t events, const PolledSocket& socket, Watch watch,
                                     OnEvent& on_event) {
  if (is_by_ring(socket, watch)) {
    const bool room = (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
    if (room && watch == Watch::read) on_event(Writable{});
    return;
  }
  if (watch == Watch::accept) return accept_by_epoll(events, socket, on_event);
  const bool ends = watch == Watch::held && (events & (EPOLLERR | EPOLLHUP)) != 0;
  // What the ring has read comes before what is still in the kernel.
  if (ends && socket.registration.kept && !deliver_received(socket, watch, on_event)) return;
  rest_.complete(events, socket, watch, on_event);
}

/// Once that succeeds, the ring may try again.
template <Syscalls Sys>
template <typename OnEvent>
void UringPoller<Sys>::accept_by_epoll(std::uint32_t events, const PolledSocket& listener,
                                       OnEvent& on_event) {
  bool goes_on = true;
  bool succeeded = false;
  rest_.complete(events, listener, Watch::accept, [&](auto&& io) {
    succeeded = std::is_same_v<std::remove_cvref_t<decltype(io)>, Accepted>;
    goes_on = on_event(std::forward<decltype(io)>(io));
    return goes_on;
  });
  if (!goes_on || !succeeded) return;
  listener.registration.by_epoll = false;
  [[maybe_unused]] const auto forgotten = watch(listener, Watch::accept, false);
}

}  // namespace skysock
