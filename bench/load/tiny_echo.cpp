#include "bench/load/tiny_echo.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock::load {
namespace {

/// One server: level-triggered epoll. Answers that the peer does not take at once are kept and go
/// first.
class Server {
 public:
  Server(int listener, int stop, const TinyEchoOptions& options)
      : options_(options), listener_(listener), stop_(stop), poll_(epoll_create1(EPOLL_CLOEXEC)) {
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    if (stop_ >= 0) watch(EPOLL_CTL_ADD, stop_, EPOLLIN);
  }

  void run() {
    std::array<epoll_event, 64> events{};
    while (true) {
      const int count = epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == stop_) return;
        if (fd == listener_) {
          take_connection();
        } else if (!serve(fd, events[static_cast<std::size_t>(i)].events)) {
          peers_.erase(fd);
        }
      }
    }
  }

 private:
  struct Peer {
    Fd fd;
    unsigned reads = 0;
    std::vector<char> unsent;
  };

  void watch(int operation, int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    SKYSOCK_CHECK(epoll_ctl(poll_.get(), operation, fd, &event) == 0);
  }

  void take_connection() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    peers_[fd].fd = Fd(fd);
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
  }

  /// False when the connection is over.
  bool serve(int fd, std::uint32_t events) {
    Peer& peer = peers_[fd];
    if ((events & EPOLLOUT) != 0 && !flush(peer)) return false;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return true;
    std::array<char, 65536> buffer;  // NOLINT: only what recv wrote is read.
    const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    peer.unsent.insert(peer.unsent.end(), buffer.data(), buffer.data() + count);
    spin();
    return misbehave(peer) && flush(peer);
  }

  bool misbehave(Peer& peer) const {
    if (options_.flaw == Flaw::silent) peer.unsent.clear();
    if (++peer.reads != options_.flaw_at) return true;
    if (options_.flaw == Flaw::flip_byte)
      peer.unsent.back() = static_cast<char>(peer.unsent.back() ^ 0x10);
    if (options_.flaw == Flaw::extra_byte) peer.unsent.push_back('!');
    if (options_.flaw == Flaw::crash) {
      std::fputs("tiny echo: crashing on purpose\n", stderr);
      std::abort();
    }
    return options_.flaw != Flaw::close_early;
  }

  bool flush(Peer& peer) const {
    const ssize_t count = send(peer.fd.get(), peer.unsent.data(), peer.unsent.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) return false;
    if (count > 0) peer.unsent.erase(peer.unsent.begin(), peer.unsent.begin() + count);
    // While an answer waits nothing more is read: the kernel's buffers hold the peer back.
    watch(EPOLL_CTL_MOD, peer.fd.get(), peer.unsent.empty() ? EPOLLIN : EPOLLOUT);
    return true;
  }

  void spin() {
    for (std::uint64_t i = 0; i < options_.spin; ++i) spun_ = mix64(spun_);
  }

  TinyEchoOptions options_;
  int listener_;
  int stop_;
  Fd poll_;
  volatile std::uint64_t spun_ = 0;
  std::map<int, Peer> peers_;
};

}  // namespace

void serve_tiny_echo(const Fd& listener, int stop, const TinyEchoOptions& options) {
  Server(listener.get(), stop, options).run();
}

TinyEcho::TinyEcho(TinyEchoOptions options)
    : listener_(listen_on_loopback().value()), stop_(eventfd(0, EFD_CLOEXEC)) {
  SKYSOCK_CHECK(stop_);
  thread_ = std::thread([this, options] { serve_tiny_echo(listener_, stop_.get(), options); });
}

TinyEcho::~TinyEcho() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

}  // namespace skysock::load
