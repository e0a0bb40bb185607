#pragma once

// What the plain epoll servers share: wait, and hand each event to who owns the descriptor.

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench {

inline std::unexpected<std::string> epoll_failed(std::string_view call) {
  return std::unexpected(fmt::format("raw_epoll: {}: {}", call, load::errno_text(errno)));
}

/// Level-triggered.
class EpollLoop {
 public:
  [[nodiscard]] bool watch(int operation, int fd, std::uint32_t interest) const {
    epoll_event event{};
    event.events = interest;
    event.data.fd = fd;
    return epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
  }

  /// `begin(fd)` for every connection that waits on `listener`, `serve(fd, events)` for every event
  /// of another descriptor, until `stop` is readable. Both return an Outcome<void> that ends it.
  template <typename Begin, typename Serve>
  load::Outcome<void> run(int listener, int stop, Begin&& begin, Serve&& serve) {
    if (!watch(EPOLL_CTL_ADD, listener, EPOLLIN)) return epoll_failed("epoll_ctl of the listener");
    return run(stop, [&](int fd, std::uint32_t events) {
      return fd == listener ? accept_all(listener, begin) : serve(fd, events);
    });
  }

  /// The same for a server without a listener.
  template <typename Serve>
  load::Outcome<void> run(int stop, Serve&& serve) {
    if (!watch(EPOLL_CTL_ADD, stop, EPOLLIN)) {
      return epoll_failed("epoll_ctl of the stop descriptor");
    }
    std::array<epoll_event, 256> events;  // NOLINT: only what epoll_wait wrote is read.
    while (true) {
      const int count =
          epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) return epoll_failed("epoll_wait");
      for (int at = 0; at < count; ++at) {
        const epoll_event& event = events[static_cast<std::size_t>(at)];
        if (event.data.fd == stop) return {};
        if (load::Outcome<void> done = serve(event.data.fd, event.events); !done) return done;
      }
    }
  }

 private:
  template <typename Begin>
  static load::Outcome<void> accept_all(int listener, Begin& begin) {
    while (true) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0 && (errno == EAGAIN || errno == EINTR)) return {};
      if (fd < 0 && errno == ECONNABORTED) continue;
      if (fd < 0) return epoll_failed("accept4");
      if (load::Outcome<void> begun = begin(fd); !begun) return begun;
    }
  }

  load::Fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
};

}  // namespace skysock::bench
