#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "core/net/connection_state.hpp"
#include "core/net/epoll_poller.hpp"
#include "core/net/io_event.hpp"
#include "core/net/lent_buffers.hpp"
#include "core/net/polled_socket.hpp"
#include "core/net/tuning.hpp"
#include "core/net/types.hpp"
#include "core/net/uring_kept.hpp"
#include "core/net/uring_runs.hpp"
#include "core/net/uring_sends.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// io_uring for what is frequent, in as few system calls as there are batches: one lasting receive
/// per stream, one lasting accept per listener, sends that leave together. Everything else
/// (connects, hang-ups, waiting for room, datagrams, borrowed descriptors) stays with an
/// EpollPoller of its own, whose descriptor the ring watches. Reactor thread only.
///
/// What the ring completed although the watch has changed meanwhile, or beyond the limits of one
/// turn, is kept and delivered, in order, as soon as the watch wants it. A completion carries the
/// whole id of its socket, so that of an earlier socket in the same slot is recognised. An armed
/// request keeps a descriptor open past its close(2): leave() ends it before.
template <Syscalls Sys>
class UringPoller {
  using Ring = typename Sys::Uring;
  static_assert(UringOf<Ring>);

 public:
  static Result<std::unique_ptr<UringPoller>> create(Sys& sys, const Tuning& tuning) {
    Result<Ring> ring = Ring::create(Buffers::kCountMax);
    if (!ring) return Failure(ring.error());
    Result<EpollPoller<Sys>> rest = EpollPoller<Sys>::create(sys, tuning);
    if (!rest) return Failure(rest.error());
    return std::unique_ptr<UringPoller>(
        new UringPoller(sys, tuning, std::move(*ring), std::move(*rest)));
  }

  UringPoller(const UringPoller&) = delete;
  UringPoller& operator=(const UringPoller&) = delete;
  ~UringPoller() {
    // A listener that was closed may have accepted somebody whom nobody heard of.
    take();
    for (UringRun& run : runs_.all()) drop(run);
  }

  Result<void> add_channel(int fd) {
    watched_.push_back({.fd = fd});
    return {};
  }

  /// As EpollPoller::watch().
  Result<void> watch(const PolledSocket& socket, Watch watch, bool output) {
    Registration& registration = socket.registration;
    if (!is_by_ring(socket, watch)) {
      registration.by_ring = false;
      disarm(socket);
      Result<void> told = rest_.watch(socket, watch, output);
      if (registration.kept) kept_.look_at(socket);
      return told;
    }
    Result<void> told = rest_.watch(socket, Watch::output, output);
    if (!told) return told;
    registration.watch = watch;
    registration.by_ring = true;
    resume(socket);
    return {};
  }

  /// A borrowed descriptor is given back: the ring never knew it.
  void forget(const PolledSocket& socket) { rest_.forget(socket); }

  /// The descriptor is about to be closed: nothing refers to it any more. Cost: as long as it is
  /// received from or accepts, a system call. Ends what finish_sends() ends.
  template <typename OnSent>
  void leave(const PolledSocket& socket, OnSent&& on_sent) {
    Registration& registration = socket.registration;
    if (registration.kept) drop_kept(socket);
    if (!registration.armed) return;
    // The request cannot be ended from here, so at least the peer and the port must not wait for
    // it.
    if (outlived_) ring_.disconnect(socket.fd);
    if (stopped_) return;
    ending_id_ = socket.id;
    // Of many completions that are due, the kernel makes some at a time.
    for (bool asked = false; ending_id_ == socket.id;) {
      asked = asked || ring_.cancel(request_of(socket), user(UringRequest::cancel, socket.id));
      if (!ring_.enter(0)) return;
      take();
    }
    sends_.finish(*sys_, ring_, false, on_sent);
  }

  void unread_left(const PolledSocket& socket) { rest_.unread_left(socket); }
  [[nodiscard]] std::uint32_t first_read_size() const { return rest_.first_read_size(); }

  /// Sends when the ring is entered next, and then calls wait()'s or finish_sends()' `on_sent`. The
  /// caller lets nobody else write to `fd` before that. Returns whether it was taken.
  template <typename MakePayload>
  bool send(SocketId id, int fd, std::size_t bytes, MakePayload&& make_payload) {
    if (bytes > UringSends<Sys>::kBytesMax || stopped_) return false;
    sends_.add(ring_, id, fd, make_payload(),
               [](std::uint32_t index) { return uring_user(UringRequest::send, index); });
    return true;
  }

  /// Is a send under way? That it was taken whole no completion tells: wait() does, when it
  /// returns.
  [[nodiscard]] bool has_sends() const { return !sends_.empty(); }

  /// No send is under way when it returns. Returns whether one was.
  template <typename OnSent>
  bool finish_sends(OnSent&& on_sent) {
    if (sends_.empty()) return false;
    [[maybe_unused]] const auto entered = ring_.enter(0);  // What did not begin is written here.
    take();
    sends_.finish(*sys_, ring_, true, on_sent);
    return true;
  }

  /// There is no wait() any more: nothing is under way when it returns. On another thread than the
  /// one that waited, the kernel lets go of descriptors a little after their close(2).
  template <typename OnSent>
  void stop(OnSent&& on_sent) {
    finish_sends(on_sent);
    // What was prepared and begins only after the cancel would keep its descriptor open.
    [[maybe_unused]] const auto begun = ring_.enter(0);
    outlived_ = !ring_.cancel_all();
    stopped_ = true;
    // What was cancelled ends, some at a time, inside enter().
    while (!outlived_ && ring_.enter(0) && take() > 0) {
    }
  }

  /// As EpollPoller::wait(). Requires: always the same thread.
  template <typename OnSent>
  std::span<const Ready> wait(int timeout_ms, OnSent&& on_sent) {
    ready_.clear();
    outlived_ = stopped_ = false;
    runs_.forget_reported();
    arm_watched();
    const bool busy = runs_.has_unreported() || kept_.has_due() || rest_.has_again();
    const Result<void> entered = ring_.enter(busy ? 0 : timeout_ms);
    SKYSOCK_CHECK(entered || entered.error() != std::errc::file_exists);  // Another thread.
    take();
    sends_.finish(*sys_, ring_, false, on_sent);
    report();
    return ready_;
  }

  /// As EpollPoller::complete().
  template <typename OnEvent>
  void complete(std::uint32_t events, const PolledSocket& socket, Watch watch, OnEvent&& on_event) {
    if ((events & kRun) != 0) {
      UringRun& run = runs_.at(events & ~kRun);
      return run.kind == UringRequest::receive ? complete_receives(run, socket, watch, on_event)
                                               : complete_accepts(run, socket, watch, on_event);
    }
    if ((events & kDue) != 0) {
      socket.registration.due = false;
      return complete_kept(socket, watch, on_event);
    }
    complete_rest(events, socket, watch, on_event);
  }

  /// What `ready` reports is nobody's any more. Returns whether it was more than the end of a
  /// request.
  bool drop(const Ready& ready) {
    return (ready.events & kRun) != 0 ? drop(runs_.at(ready.events & ~kRun))
                                      : (ready.events & kDue) == 0;
  }

 private:
  using Buffers = LentBuffers<Ring>;

  /// A descriptor that is asked about again and again: of the control channel, or epoll's own.
  struct Watched {
    int fd = -1;
    bool armed = false;
  };
  static constexpr std::uint32_t kEpoll = 0;

  /// In Ready::events, where epoll has nothing: the index of a run, or something kept.
  static constexpr std::uint32_t kRun = std::uint32_t{1} << 31U;
  static constexpr std::uint32_t kDue = std::uint32_t{1} << 30U;

  UringPoller(Sys& sys, const Tuning& tuning, Ring ring, EpollPoller<Sys> rest)
      : sys_(&sys),
        accept_batch_(static_cast<std::size_t>(tuning.accept_batch)),
        reads_per_event_(static_cast<std::size_t>(tuning.reads_per_event)),
        bytes_per_event_(static_cast<std::size_t>(tuning.bytes_per_event)),
        max_events_(static_cast<std::size_t>(tuning.max_events)),
        buffers_(static_cast<std::size_t>(tuning.read_buffer_bytes)),
        ring_(std::move(ring)),
        rest_(std::move(rest)) {
    buffers_.grow(ring_);
    watched_.push_back({.fd = rest_.fd()});
  }

  // ---- Requests

  static std::uint64_t user(UringRequest kind, SocketId id) {
    return uring_user(kind, static_cast<std::uint32_t>(id));
  }
  static std::uint64_t request_of(const PolledSocket& socket) {
    const bool accepts = socket.registration.accepts;
    return user(accepts ? UringRequest::accept : UringRequest::receive, socket.id);
  }

  static bool is_by_ring(const PolledSocket& socket, Watch watch) {
    if (socket.fd < 0 || socket.borrowed) return false;
    return watch == Watch::read || (watch == Watch::accept && !socket.registration.by_epoll);
  }

  void arm_watched() {
    if (!enabled_) [[unlikely]] {
      const Result<void> enabled = ring_.enable();
      SKYSOCK_CHECK(enabled.has_value());  // Whatever can fail did so when it was made.
      enabled_ = true;
    }
    for (std::uint32_t at = 0; at < watched_.size(); ++at) {
      Watched& one = watched_[at];
      if (!one.armed) one.armed = ring_.poll(one.fd, uring_user(UringRequest::watched, at));
    }
  }

  /// The ring goes on with what it does for the socket.
  void resume(const PolledSocket& socket) {
    Registration& registration = socket.registration;
    if (registration.kept) return kept_.look_at(socket);
    if (registration.armed) return;  // If that is being cancelled, its end brings us here again.
    registration.accepts = registration.watch == Watch::accept;
    const std::uint64_t request = request_of(socket);
    registration.armed =
        registration.accepts ? ring_.accept(socket.fd, request) : ring_.receive(socket.fd, request);
    registration.ending = false;
    if (!registration.armed) kept_.look_at(socket);  // The ring is full: with the next batch.
  }

  void disarm(const PolledSocket& socket) {
    Registration& registration = socket.registration;
    if (!registration.armed || registration.ending) return;
    registration.ending = ring_.cancel(request_of(socket), user(UringRequest::cancel, socket.id));
  }

  // ---- Completions

  /// Sorts what the ring has completed; says how much that was.
  std::size_t take() {
    std::size_t count = 0;
    ring_.take([&](const UringCompletion& one) {
      ++count;
      const std::uint32_t value = value_of(one);
      switch (kind_of(one)) {
        case UringRequest::receive:
        case UringRequest::accept:
          runs_.add(one);
          if (!one.more) ended(static_cast<SocketId>(value));
          return;
        case UringRequest::send:
          return sends_.failed(value, one.result);
        case UringRequest::watched:
          watched_[value].armed = false;
          (value == kEpoll ? epoll_ready_ : channel_ready_) = true;
          return;
        case UringRequest::cancel:
          return ended(static_cast<SocketId>(value));  // There was nothing left to cancel.
      }
    });
    return count;
  }

  void ended(SocketId id) {
    if (ending_id_ == id) ending_id_ = 0;
  }

  /// What was read is older than what epoll says, and kept things are newer than neither: in this
  /// order.
  void report() {
    if (std::exchange(channel_ready_, false)) ready_.push_back({.id = kControlReady});
    for (std::size_t count = 0; runs_.has_unreported() && count < max_events_; ++count) {
      const std::uint32_t index = runs_.report_next();
      ready_.push_back({.id = runs_.at(index).id, .events = kRun | index});
    }
    kept_.report_due([this](SocketId id) { ready_.push_back({.id = id, .events = kDue}); });
    if (runs_.has_unreported()) return;
    if (!std::exchange(epoll_ready_, false) && !rest_.has_again()) return;
    const std::span<const Ready> others = rest_.wait(0);
    ready_.insert(ready_.end(), others.begin(), others.end());
  }

  bool drop(UringRun& run) {
    bool more = false;
    for (const UringCompletion& one : runs_.completions_of(run)) {
      more = more || one.result != -ECANCELED;
      if (one.has_buffer) buffers_.give_back(ring_, one.buffer);
      if (run.kind == UringRequest::accept && one.result >= 0) sys_->close(one.result);
    }
    run.count = 0;
    return more;
  }

  // ---- What is kept

  void drop_kept(const PolledSocket& socket) {
    for (const int fd : kept_.take(socket).accepted) sys_->close(fd);
  }

  // ---- Handing over what was completed: uring_completions_impl.hpp

  template <typename OnEvent>
  void complete_kept(const PolledSocket& socket, Watch watch, OnEvent& on_event);
  template <typename OnEvent>
  bool deliver_received(const PolledSocket& socket, Watch watch, OnEvent& on_event);
  template <typename OnEvent>
  bool deliver_accepted(const PolledSocket& listener, OnEvent& on_event);
  std::optional<int> end_of(const UringCompletion& one);
  template <typename OnEvent>
  void complete_receives(UringRun& run, const PolledSocket& socket, Watch watch, OnEvent& on_event);
  void keep_received(UringRun& run, const PolledSocket& socket);
  template <typename OnEvent>
  void complete_accepts(UringRun& run, const PolledSocket& listener, Watch watch,
                        OnEvent& on_event);
  Accepted accepted(int fd) { return {{.fd = fd, .peer = ring_.peer_of(fd)}}; }
  template <typename OnEvent>
  void complete_rest(std::uint32_t events, const PolledSocket& socket, Watch watch,
                     OnEvent& on_event);
  template <typename OnEvent>
  void accept_by_epoll(std::uint32_t events, const PolledSocket& listener, OnEvent& on_event);

  Sys* sys_;
  std::size_t accept_batch_;
  std::size_t reads_per_event_;
  std::size_t bytes_per_event_;
  std::size_t max_events_;
  Buffers buffers_;  ///< Outlives the ring, which knows it.
  Ring ring_;
  EpollPoller<Sys> rest_;
  UringSends<Sys> sends_;
  std::vector<Watched> watched_;
  UringRuns runs_;
  std::vector<Ready> ready_;
  UringKept kept_;
  SocketId ending_id_ = 0;  ///< Whose request leave() waits for.
  bool channel_ready_ = false;
  bool epoll_ready_ = false;
  bool enabled_ = false;
  bool stopped_ = false;
  bool outlived_ = false;  ///< Stopped, but requests go on until the ring is closed.
};

}  // namespace skysock

#include "core/net/uring_completions_impl.hpp"
