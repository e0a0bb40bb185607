// Broadcast on plain epoll: a chunk goes from the one read buffer to every subscriber; only what
// the kernel does not take is copied, once for all of them.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "bench/peers/epoll_loop.hpp"
#include "bench/peers/server_modes.hpp"
#include "bench/peers/shared_output.hpp"
#include "core/base/broadcast_role.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;

struct Connection {
  Fd fd;
  BroadcastRole role = BroadcastRole::unknown;
  OutputQueue output;
};

class Server {
 public:
  Outcome<void> run(int listener, int stop) {
    return loop_.run(
        listener, stop, [this](int fd) { return begin(fd); },
        [this](int fd, std::uint32_t events) -> Outcome<void> {
          // An earlier event of the same batch may have ended it.
          const auto found = connections_.find(fd);
          if (found != connections_.end() && !serve(found->second, events)) end(found->second);
          return {};
        });
  }

 private:
  Outcome<void> begin(int fd) {
    connections_[fd].fd = Fd(fd);
    const bool added = loop_.watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    return added ? Outcome<void>() : epoll_failed("epoll_ctl of a connection");
  }

  void end(Connection& connection) {
    std::erase(subscribers_, &connection);
    connections_.erase(connection.fd.get());
  }

  /// False when the connection is over.
  bool serve(Connection& connection, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && !flush(connection)) return false;
    return (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || receive(connection);
  }

  bool receive(Connection& connection) {
    const ssize_t count = recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    const auto bytes = std::span(buffer_).first(static_cast<std::size_t>(count));
    const BroadcastInput input = take_broadcast(connection.role, bytes);
    if (input.answer) {
      SharedBytes copy;
      if (!send(connection, std::span(&*input.answer, 1), copy)) return false;
      if (connection.role == BroadcastRole::subscriber) subscribers_.push_back(&connection);
    }
    if (!input.published.empty()) publish(input.published);
    return true;
  }

  void publish(std::span<const std::byte> bytes) {
    SharedBytes copy;
    for (std::size_t at = 0; at < subscribers_.size();) {
      Connection& subscriber = *subscribers_[at];
      if (send(subscriber, bytes, copy)) {
        ++at;
      } else {
        end(subscriber);  // The next one takes its place.
      }
    }
  }

  /// False when the connection is broken or has too much waiting. `copy` is that of these bytes,
  /// made when the first one needs it.
  bool send(Connection& to, std::span<const std::byte> bytes, SharedBytes& copy) {
    std::size_t sent = 0;
    if (to.output.empty()) {
      const ssize_t count = ::send(to.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count == std::ssize(bytes)) return true;
      if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
      sent = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
      if (!loop_.watch(EPOLL_CTL_MOD, to.fd.get(), EPOLLIN | EPOLLOUT)) return false;
    }
    if (to.output.bytes() + bytes.size() - sent > kSubscriberBytesMax) return false;
    if (!copy) copy = share(bytes);
    to.output.push(copy, sent);
    return true;
  }

  bool flush(Connection& to) {
    while (!to.output.empty()) {
      const auto bytes = to.output.front();
      const ssize_t count = ::send(to.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      to.output.remove(static_cast<std::size_t>(count));
    }
    return loop_.watch(EPOLL_CTL_MOD, to.fd.get(), EPOLLIN);
  }

  EpollLoop loop_;
  std::map<int, Connection> connections_;  ///< By descriptor; they stay where they are.
  std::vector<Connection*> subscribers_;
  alignas(64) std::array<std::byte, 65'536> buffer_;
};

}  // namespace

Outcome<void> serve_epoll_broadcast(int listener, int stop) { return Server().run(listener, stop); }

}  // namespace skysock::bench
