#pragma once

#include <algorithm>
#include <bit>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "core/net/connection_state.hpp"
#include "core/net/io_event.hpp"
#include "core/net/polled_socket.hpp"
#include "core/net/read_buffers.hpp"
#include "core/net/tuning.hpp"
#include "core/net/types.hpp"
#include "core/net/udp_address.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// epoll, level- or edge-triggered, that does the reads and accepts itself. Reactor thread only.
///
/// The kernel gets the whole id as user data, generation included, so an event of an earlier socket
/// in the same slot is recognised. A closed descriptor leaves the set by itself: no fd here is ever
/// duplicated. With edges, a socket is registered once, for everything; what a limit or a hold left
/// unread is remembered in `again_`.
template <Syscalls Sys>
class EpollPoller {
 public:
  static Result<EpollPoller> create(Sys& sys, const Tuning& tuning) {
    const Result<int> fd = sys.epoll_create();
    if (!fd) return Failure(fd.error());
    return EpollPoller(sys, tuning, *fd);
  }

  EpollPoller(EpollPoller&& other) noexcept
      : sys_(other.sys_),
        epoll_fd_(std::exchange(other.epoll_fd_, -1)),
        edges_(other.edges_),
        accept_batch_(other.accept_batch_),
        reads_per_event_(other.reads_per_event_),
        bytes_per_event_(other.bytes_per_event_),
        events_(std::move(other.events_)),
        ready_(std::move(other.ready_)),
        again_(std::move(other.again_)),
        buffers_(std::move(other.buffers_)),
        datagram_(std::move(other.datagram_)) {}
  EpollPoller& operator=(EpollPoller&&) = delete;
  EpollPoller(const EpollPoller&) = delete;
  EpollPoller& operator=(const EpollPoller&) = delete;
  ~EpollPoller() {
    if (epoll_fd_ >= 0) sys_->close(epoll_fd_);
  }

  /// Watches the control channel.
  Result<void> add_channel(int fd) {
    return sys_->epoll_add(epoll_fd_, fd, EPOLLIN, kControlReady);
  }

  /// From now on `socket` is watched so; `output`: unsent bytes wait. Cost: a system call only
  /// where the kernel has to hear of it. Errors: an errno of epoll_ctl(2).
  Result<void> watch(const PolledSocket& socket, Watch watch, bool output) {
    Registration& registration = socket.registration;
    const Watch before = std::exchange(registration.watch, watch);
    // An event may have been passed over even if the watch is what it was.
    const bool rewatched = registration.rewatched || before != watch;
    registration.rewatched = false;
    if (socket.fd < 0) return {};
    if (registration.always_ready) {
      watch_file(socket, output);
      return {};
    }
    const bool wanted = watch != Watch::nothing && (watch != Watch::output || output);
    if (!wanted) {
      forget(socket);
      return {};
    }
    const std::uint32_t interest = mask(watch, output);
    if (!registration.known) return add(socket, interest, output);
    if (interest != registration.interest || must_rearm(before, watch, output)) {
      const Result<void> changed = sys_->epoll_modify(epoll_fd_, socket.fd, interest, user(socket));
      if (!changed) return changed;
      registration.interest = interest;
    } else if (rewatched) {
      watch_changed(socket, watch);
    }
    return {};
  }

  /// The kernel knows it no more: before a descriptor is given back that stays open.
  void forget(const PolledSocket& socket) {
    if (!socket.registration.known) return;
    socket.registration.known = false;
    [[maybe_unused]] const auto removed = sys_->epoll_remove(epoll_fd_, socket.fd);
  }

  /// A limit stopped the reading or accepting: with edges, the rest is not told again.
  void unread_left(const PolledSocket& socket, std::uint32_t events = kEverything) {
    if (edges_) look_again(socket, events);
  }

  [[nodiscard]] std::uint32_t first_read_size() const { return buffers_.first_size(); }

  /// Readable when wait() would find something that the kernel knows of,
  [[nodiscard]] int fd() const { return epoll_fd_; }
  /// or has something to report without the kernel.
  [[nodiscard]] bool has_again() const { return !again_.empty(); }

  /// Waits and returns what is ready; empty after a time-out or an interrupted wait. Valid until
  /// the next call.
  std::span<const Ready> wait(int timeout_ms) {
    ready_.clear();
    const Result<std::size_t> count =
        sys_->epoll_wait(epoll_fd_, events_, again_.empty() ? timeout_ms : 0);
    for (std::size_t at = 0; count && at < *count; ++at) {
      ready_.push_back(
          {.id = static_cast<SocketId>(events_[at].data.u64), .events = events_[at].events});
    }
    for (const Again& one : again_) {
      one.registration->again = false;
      ready_.push_back(one.ready);
    }
    again_.clear();
    return ready_;
  }

  /// Does the I/O that `events` promise and hands each result to `on_event(event)`, which returns
  /// whether to go on (the socket still exists and is watched in the same way). Reading comes
  /// before writing.
  template <typename OnEvent>
  void complete(std::uint32_t events, const PolledSocket& socket, Watch watch, OnEvent&& on_event) {
    switch (watch) {
      case Watch::nothing:
        return;
      case Watch::accept:
        return complete_accepts(socket, on_event);
      case Watch::connect:
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) complete_connect(socket.fd, on_event);
        return;
      case Watch::read:
        if (!complete_reads(events, socket, on_event)) return;
        break;
      case Watch::held:
        if (!complete_held(events, socket, on_event)) return;
        break;
      case Watch::hang_up:
        if (!complete_hang_up(events, socket.fd, on_event)) return;
        break;
      case Watch::datagram:
        if (!complete_datagrams(events, socket, on_event)) return;
        break;
      case Watch::output:
        break;
    }
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) on_event(Writable{});
  }

 private:
  /// A socket to report without being told. Its registration lies where it is for good.
  struct Again {
    Ready ready;
    Registration* registration;
  };

  /// What a socket that is looked at again may have: an end that was told before is not told again.
  static constexpr std::uint32_t kEverything = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
  /// The largest datagram, and then some.
  static constexpr std::size_t kDatagramBytes = 65'536;

  EpollPoller(Sys& sys, const Tuning& tuning, int epoll_fd)
      : sys_(&sys),
        epoll_fd_(epoll_fd),
        edges_(tuning.poller == static_cast<std::int64_t>(PollerKind::epoll_et)),
        accept_batch_(static_cast<std::size_t>(tuning.accept_batch)),
        reads_per_event_(static_cast<std::size_t>(tuning.reads_per_event)),
        bytes_per_event_(static_cast<std::size_t>(tuning.bytes_per_event)),
        events_(static_cast<std::size_t>(tuning.max_events)),
        buffers_(
            static_cast<std::size_t>(std::min(tuning.first_read_bytes, tuning.read_buffer_bytes)),
            static_cast<std::size_t>(tuning.read_buffer_bytes)) {}

  static std::uint64_t user(const PolledSocket& socket) {
    return static_cast<std::uint64_t>(socket.id);
  }

  /// The next wait() does not wait and reports the socket as ready, once.
  void look_again(const PolledSocket& socket, std::uint32_t events = kEverything) {
    Registration& registration = socket.registration;
    if (registration.again) {
      const auto same_id = [&](const Again& one) { return one.ready.id == socket.id; };
      std::ranges::find_if(again_, same_id)->ready.events |= events;
      return;
    }
    registration.again = true;
    again_.push_back({.ready = {.id = socket.id, .events = events}, .registration = &registration});
  }

  Result<void> add(const PolledSocket& socket, std::uint32_t interest, bool output) {
    Registration& registration = socket.registration;
    const Result<void> added = sys_->epoll_add(epoll_fd_, socket.fd, interest, user(socket));
    if (added) {
      registration.known = true;
      registration.interest = interest;
      return added;
    }
    // epoll(7) knows no files: they are always ready.
    if (!socket.borrowed || !is(added.error(), std::errc::operation_not_permitted)) return added;
    registration.always_ready = true;
    watch_file(socket, output);
    return {};
  }

  /// Asks anew as long as there is something to do.
  void watch_file(const PolledSocket& socket, bool output) {
    const Registration& registration = socket.registration;
    const bool reads = registration.watch == Watch::read && !registration.write_only;
    if (reads || output) look_again(socket);
  }

  /// The epoll(7) mask for a watch. 0: only hang-ups, which need no mask.
  [[nodiscard]] std::uint32_t mask(Watch watch, bool output) const {
    if (edges_) return edge_mask(watch, output);
    const std::uint32_t out = output ? std::uint32_t{EPOLLOUT} : 0;
    switch (watch) {
      case Watch::nothing:
        return 0;
      case Watch::accept:
        return EPOLLIN;
      case Watch::connect:
        return EPOLLOUT;
      case Watch::read:
        return EPOLLIN | EPOLLRDHUP | out;
      case Watch::datagram:
        return EPOLLIN | out;
      case Watch::held:
      case Watch::hang_up:
        return out;
      // A hang-up is not looked at here, so it must not be told again and again.
      case Watch::output:
        return output ? std::uint32_t{EPOLLOUT | EPOLLONESHOT} : 0;
    }
    return 0;
  }

  /// With edges, whether the kernel has to be told of a new watch although the mask is the same:
  /// hang-ups that came before are told again only then. A one-shot registration is spent after
  /// each event.
  [[nodiscard]] bool must_rearm(Watch before, Watch now, bool output) const {
    if (now == Watch::output) return output;
    return edges_ && before != now && (now == Watch::held || now == Watch::hang_up);
  }
  /// With edges, what came before the watch began to read is not told again.
  void watch_changed(const PolledSocket& socket, Watch now) {
    const bool reads = now == Watch::read || now == Watch::accept || now == Watch::datagram;
    if (edges_ && reads) look_again(socket);
  }
  static std::uint32_t edge_mask(Watch watch, bool output) {
    switch (watch) {
      case Watch::nothing:
        return 0;
      case Watch::accept:
        return EPOLLIN | EPOLLET;
      case Watch::connect:
      case Watch::read:
      case Watch::held:
      case Watch::hang_up:
      case Watch::datagram:
        return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
      case Watch::output:
        return output ? std::uint32_t{EPOLLOUT | EPOLLONESHOT} : 0;
    }
    return 0;
  }

  static bool is(std::error_code code, std::errc what) { return code == what; }
  static bool nothing_yet(std::error_code code) {
    return is(code, std::errc::resource_unavailable_try_again);
  }

  /// The size of the next read of an event that has read `total` bytes: the limit is not exceeded.
  [[nodiscard]] std::uint32_t next_read(const PolledSocket& socket, std::size_t total) const {
    const std::size_t left = bytes_per_event_ - total;
    if (socket.read_size <= left) [[likely]]
      return socket.read_size;
    return static_cast<std::uint32_t>(std::bit_floor(left));
  }
  void has_read(const PolledSocket& socket, std::uint32_t size, std::size_t count) const {
    if (size == socket.read_size) socket.read_size = buffers_.next_size(size, count);
  }

  [[gnu::always_inline]] Result<std::size_t> read(const PolledSocket& socket, std::uint32_t size) {
    return socket.borrowed ? sys_->read(socket.fd, buffers_.room(size))
                           : sys_->receive(socket.fd, buffers_.room(size));
  }

  template <typename OnEvent>
  void complete_accepts(const PolledSocket& listener, OnEvent& on_event) {
    for (std::size_t turn = 0; turn < accept_batch_; ++turn) {
      Result<AcceptedSocket> socket = sys_->accept(listener.fd);
      if (socket) {
        if (!on_event(Accepted{*socket})) return;
        continue;
      }
      const std::error_code error = socket.error();
      if (is(error, std::errc::resource_unavailable_try_again)) return;
      const bool lasting = is(error, std::errc::too_many_files_open) ||
                           is(error, std::errc::too_many_files_open_in_system) ||
                           is(error, std::errc::no_buffer_space) ||
                           is(error, std::errc::not_enough_memory);
      if (lasting) {
        on_event(AcceptFailed{error});  // Who gets it knows whether somebody still waits.
        return;
      }
      // It listens no more: somebody who shares it called shutdown(2).
      if (is(error, std::errc::invalid_argument)) {
        on_event(IoError{error});
        return;
      }
      // ECONNABORTED, EINTR, EPROTO, ...: that connection is gone, the next one may be fine.
    }
    unread_left(listener);
  }

  template <typename OnEvent>
  void complete_connect(int fd, OnEvent& on_event) {
    const Result<int> error = sys_->take_socket_error(fd);
    if (!error) {
      on_event(IoError{error.error()});
    } else if (*error != 0) {
      on_event(IoError{errno_code(*error)});
    } else {
      on_event(Connected{});
    }
  }

  /// Returns whether the socket is still there to be written to.
  template <typename OnEvent>
  bool complete_reads(std::uint32_t events, const PolledSocket& socket, OnEvent& on_event) {
    if ((events & ~std::uint32_t{EPOLLOUT}) == 0) return true;
    const bool ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    std::size_t total = 0;
    for (std::size_t turn = 0; turn < reads_per_event_ && total < bytes_per_event_; ++turn) {
      const std::uint32_t size = next_read(socket, total);
      const Result<std::size_t> got = read(socket, size);
      if (!got) [[unlikely]] {
        if (is(got.error(), std::errc::interrupted)) continue;
        const bool failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
        if (found_unreadable(socket, got.error()) && !failed) return true;
        return nothing_yet(got.error()) || on_event(IoError{got.error()});
      }
      if (*got == 0) return on_event(Eof{});
      total += *got;
      has_read(socket, size, *got);
      if (!on_event(Received{buffers_.take(size, *got)})) return false;
      // A short read emptied the buffer; only an end that was announced is worth another call.
      if (*got < size && !ending && !socket.registration.always_ready) return true;
    }
    unread_left(socket);
    return true;
  }

  /// Of files and of the end of a pipe that can only be written: nobody said so, trying is how we
  /// learn.
  static bool found_unreadable(const PolledSocket& socket, std::error_code error) {
    if (!socket.borrowed || !is(error, std::errc::bad_file_descriptor)) return false;
    socket.registration.write_only = socket.registration.always_ready;
    return true;
  }

  /// Reads what is left of a held socket once its end is certain.
  template <typename OnEvent>
  bool complete_held(std::uint32_t events, const PolledSocket& socket, OnEvent& on_event) {
    if ((events & (EPOLLERR | EPOLLHUP)) == 0) return true;
    std::size_t total = 0;
    for (std::size_t turn = 0; turn < reads_per_event_ && total < bytes_per_event_; ++turn) {
      const std::uint32_t size = next_read(socket, total);
      const Result<std::size_t> got = read(socket, size);
      if (got && *got == 0) return on_event(HungUp{});
      if (got) {
        total += *got;
        has_read(socket, size, *got);
        if (!on_event(Received{buffers_.take(size, *got)})) return false;
        continue;
      }
      if (is(got.error(), std::errc::interrupted)) continue;
      if (!nothing_yet(got.error())) return on_event(IoError{got.error()});
      return complete_hang_up(events, socket.fd, on_event);
    }
    unread_left(socket, events);
    return false;  // It cannot be written to any more.
  }

  template <typename OnEvent>
  bool complete_hang_up(std::uint32_t events, int fd, OnEvent& on_event) {
    if ((events & (EPOLLERR | EPOLLHUP)) == 0) return true;
    const Result<int> error = sys_->take_socket_error(fd);
    // A pipe has no SO_ERROR: that its other end is gone is all there is to know.
    if (!error && is(error.error(), std::errc::not_a_socket)) return on_event(HungUp{});
    if (!error) return on_event(IoError{error.error()});
    if (*error != 0) return on_event(IoError{errno_code(*error)});
    return on_event(HungUp{});
  }

  template <typename OnEvent>
  bool complete_datagrams(std::uint32_t events, const PolledSocket& socket, OnEvent& on_event) {
    if ((events & ~std::uint32_t{EPOLLOUT}) == 0) return true;
    if (datagram_.empty()) datagram_ = Block(kDatagramBytes);
    for (std::size_t turn = 0; turn < reads_per_event_; ++turn) {
      const Result<ReceivedDatagram> got = sys_->receive_from(socket.fd, datagram_.bytes());
      if (!got && is(got.error(), std::errc::interrupted)) continue;
      if (!got && nothing_yet(got.error())) return true;
      const bool go_on = got ? on_event(with_source(*got)) : on_event(DatagramError{got.error()});
      if (!go_on) return false;
    }
    unread_left(socket);
    return true;
  }

  ReceivedFrom with_source(const ReceivedDatagram& got) {
    const std::span<const std::byte> payload = datagram_.bytes().first(got.bytes);
    if (got.from.empty()) return {.data = Block::copy_of(payload), .bytes = got.bytes};
    const UdpAddress source = UdpAddress::from_endpoint(got.from);
    Block data(payload.size() + source.bytes().size());
    if (!payload.empty()) std::memcpy(data.bytes().data(), payload.data(), payload.size());
    std::memcpy(data.bytes().data() + payload.size(), source.bytes().data(), source.bytes().size());
    return {.data = std::move(data), .bytes = got.bytes};
  }

  Sys* sys_;
  int epoll_fd_;
  bool edges_;
  std::size_t accept_batch_;
  std::size_t reads_per_event_;
  std::size_t bytes_per_event_;
  std::vector<epoll_event> events_;
  std::vector<Ready> ready_;
  std::vector<Again> again_;
  ReadBuffers buffers_;
  Block datagram_;
};

}  // namespace skysock
