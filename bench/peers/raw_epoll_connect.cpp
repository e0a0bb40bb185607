// Connections made on plain epoll: connect(2), one byte each way, close(2) after the peer's FIN.

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <map>

#include "bench/peers/epoll_loop.hpp"
#include "bench/peers/server_modes.hpp"
#include "core/base/connect_order.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;

struct Control {
  Fd fd;
  ConnectSession session;
};

/// A connection that was made for `control`.
struct Made {
  Fd fd;
  Control& control;
  bool sent = false;
  ConnectAnswer answer;
};

class Server {
 public:
  Outcome<void> run(int listener, int stop) {
    return loop_.run(
        listener, stop, [this](int fd) { return begin(fd); },
        [this](int fd, std::uint32_t events) -> Outcome<void> {
          // An earlier event of the same batch may have ended it.
          if (const auto made = made_.find(fd); made != made_.end()) {
            serve(made->second, events);
          } else if (const auto control = controls_.find(fd); control != controls_.end()) {
            obey(control->second);
          }
          return {};
        });
  }

 private:
  Outcome<void> begin(int fd) {
    controls_[fd].fd = Fd(fd);
    const bool added = loop_.watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    return added ? Outcome<void>() : epoll_failed("epoll_ctl of a connection");
  }

  void obey(Control& control) {
    const ssize_t count = recv(control.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return end(control);
    control.session.feed(std::span(buffer_).first(static_cast<std::size_t>(count)));
    proceed(control);
  }

  void end(Control& control) {
    give_up(control);
    controls_.erase(control.fd.get());
  }

  void give_up(Control& control) {
    std::erase_if(made_, [&](const auto& made) { return &made.second.control == &control; });
  }

  /// Makes what is to be made and says what is to be said. A client that does not read its replies
  /// is cut off.
  void proceed(Control& control) {
    while (control.session.begin()) {
      if (const int error = make(control)) fail(control, error);
    }
    const std::string replies = control.session.take_replies();
    if (replies.empty()) return;
    const ssize_t count = send(control.fd.get(), replies.data(), replies.size(), MSG_NOSIGNAL);
    if (count != std::ssize(replies)) end(control);
  }

  void fail(Control& control, int error) {
    control.session.fail(load::errno_text(error));
    give_up(control);
  }

  /// Returns the errno of what failed, 0 when it is under way.
  int make(Control& control) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (!fd || setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return errno;
    const sockaddr_in to = control.session.order().address();
    const int code = connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    if (code != 0 && errno != EINPROGRESS) return errno;
    if (!loop_.watch(EPOLL_CTL_ADD, fd.get(), EPOLLOUT)) return errno;
    const int key = fd.get();
    made_.try_emplace(key, Made{.fd = std::move(fd), .control = control});
    return 0;
  }

  void serve(Made& made, std::uint32_t events) {
    Control& control = made.control;
    const int error = made.sent ? receive(made) : greet(made, events);
    if (error != 0) fail(control, error);
    proceed(control);
  }

  /// It is open, or could not be opened; or the event was that of an earlier one with its
  /// descriptor. Both return the errno of what failed, or 0.
  int greet(Made& made, std::uint32_t events) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
      if (const int error = load::pending_error(made.fd.get())) return error;
    }
    made.sent = send(made.fd.get(), &kConnectByte, 1, MSG_NOSIGNAL) == 1;
    if (!made.sent) return errno == EAGAIN ? 0 : errno;
    return loop_.watch(EPOLL_CTL_MOD, made.fd.get(), EPOLLIN) ? 0 : errno;
  }

  int receive(Made& made) {
    const ssize_t count = recv(made.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
    const auto bytes = std::span(buffer_).first(static_cast<std::size_t>(count));
    const auto wrong = count > 0 ? made.answer.feed(bytes) : made.answer.end();
    Control& control = made.control;
    if (!wrong.empty()) {
      control.session.fail(wrong);
      give_up(control);
    } else if (count == 0) {
      made_.erase(made.fd.get());
      control.session.closed();
    }
    return 0;
  }

  EpollLoop loop_;
  std::map<int, Control> controls_;  ///< By descriptor; they stay where they are.
  std::map<int, Made> made_;         ///< By descriptor.
  alignas(64) std::array<std::byte, 4'096> buffer_;
};

}  // namespace

Outcome<void> serve_epoll_connect(int listener, int stop) { return Server().run(listener, stop); }

}  // namespace skysock::bench
