#include "bench/load/tiny_modes.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "bench/load/loopback_listener.hpp"
#include "bench/load/tiny_loop.hpp"
#include "core/base/check.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::load {
namespace {

/// Answers datagrams; knows who sent the one before.
class UdpEcho {
 public:
  UdpEcho(int socket, const TinyModeOptions& options) : socket_(socket), options_(options) {}

  void answer_next() {
    Datagram datagram{.bytes = std::vector<std::byte>(65'536)};
    const ssize_t size = recvfrom(socket_, datagram.bytes.data(), datagram.bytes.size(), 0,
                                  address(datagram.from), &datagram.from_length);
    if (size < 0) return;
    datagram.bytes.resize(static_cast<std::size_t>(size));
    const bool flawed = is_flawed(options_, ++count_);
    if (flawed) misbehave(datagram);
    if (options_.flaw == ModeFlaw::silent) return;
    if (!(flawed && (options_.flaw == ModeFlaw::drop || options_.flaw == ModeFlaw::late))) {
      send(datagram);
    }
    if (!flawed && !held_.bytes.empty() && held_.from.sin_port == datagram.from.sin_port) {
      send(std::exchange(held_, {}));
    }
    before_ = datagram.from;
  }

 private:
  struct Datagram {
    std::vector<std::byte> bytes;
    sockaddr_in from{};
    socklen_t from_length = sizeof(sockaddr_in);
  };

  static sockaddr* address(sockaddr_in& in) { return reinterpret_cast<sockaddr*>(&in); }

  void misbehave(Datagram& datagram) {
    if (options_.flaw == ModeFlaw::flip_byte) datagram.bytes.back() ^= std::byte{0x10};
    if (options_.flaw == ModeFlaw::cut) datagram.bytes.pop_back();
    if (options_.flaw == ModeFlaw::extra_byte) datagram.bytes.push_back(std::byte{'!'});
    if (options_.flaw == ModeFlaw::twice) send(datagram);
    if (options_.flaw == ModeFlaw::late) held_ = datagram;
    if (options_.flaw == ModeFlaw::misdeliver) datagram.from = before_;
  }

  void send(Datagram datagram) const {
    sendto(socket_, datagram.bytes.data(), datagram.bytes.size(), 0, address(datagram.from),
           datagram.from_length);
  }

  int socket_;
  TinyModeOptions options_;
  std::uint64_t count_ = 0;
  sockaddr_in before_{};
  Datagram held_;
};

/// Sends what the kernel takes of the stream from `offset` on; false: the connection is to end.
bool stream(int fd, std::uint64_t& offset, bool is_first, const TinyModeOptions& options) {
  const auto right = stream_bytes(offset, kStreamMessageBytesMax);
  std::vector<std::byte> bytes(right.begin(), right.end());
  if (options.flaw == ModeFlaw::silent) return true;
  // A send ends before the wrong byte, so that however much one takes that byte begins another.
  if (options.flaw_at > offset && options.flaw_at < offset + bytes.size()) {
    bytes.resize(options.flaw_at - offset);
  }
  if (options.flaw_at == offset) {
    if (options.flaw == ModeFlaw::close_early) return false;
    if (options.flaw == ModeFlaw::no_end) return true;
    if (options.flaw == ModeFlaw::starve && is_first) return true;
    if (options.flaw == ModeFlaw::drop) bytes.erase(bytes.begin());
    if (options.flaw == ModeFlaw::flip_byte) bytes.front() ^= std::byte{0x10};
  }
  const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count > 0) offset += static_cast<std::uint64_t>(count);
  return count >= 0 || errno == EAGAIN;
}

}  // namespace

bool is_flawed(const TinyModeOptions& options, std::uint64_t count) {
  if (options.flaw == ModeFlaw::none || count < options.flaw_at) return false;
  const std::uint64_t after = count - options.flaw_at;
  return options.flaw_every == 0 ? after == 0 : after % options.flaw_every == 0;
}

void serve_tiny_udp_echo(int socket, int stop, const TinyModeOptions& options) {
  UdpEcho echo(socket, options);
  while (true) {
    pollfd waits[] = {{socket, POLLIN, 0}, {stop, POLLIN, 0}};
    poll(waits, 2, -1);
    if (waits[1].revents != 0) return;
    echo.answer_next();
  }
}

void serve_tiny_source(int listener, int stop, const TinyModeOptions& options) {
  std::map<int, std::uint64_t> streamed;
  serve_connections(listener, stop, POLLIN | POLLOUT, [&](int fd, short events) {
    std::uint64_t& offset = streamed[fd];
    const bool is_first = fd == streamed.begin()->first;
    const bool open =
        (events & (POLLIN | POLLHUP | POLLERR)) == 0 && stream(fd, offset, is_first, options);
    if (!open) streamed.erase(fd);
    return open;
  });
}

TinyModeServer::TinyModeServer(TinyMode mode, TinyModeOptions options)
    : socket_(mode == TinyMode::udp_echo ? bind_on_loopback(SOCK_DGRAM).value()
                                         : listen_on_loopback().value()),
      stop_(eventfd(0, EFD_CLOEXEC)) {
  SKYSOCK_CHECK(stop_);
  const auto serve = [mode] {
    switch (mode) {
      case TinyMode::udp_echo:
        return &serve_tiny_udp_echo;
      case TinyMode::source:
        return &serve_tiny_source;
      case TinyMode::broadcast:
        return &serve_tiny_broadcast;
      case TinyMode::connect:
        return &serve_tiny_connect;
    }
    SKYSOCK_CHECK(false);
  }();
  thread_ = std::thread([this, serve, options] { serve(socket_.get(), stop_.get(), options); });
}

TinyModeServer::~TinyModeServer() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

std::uint16_t TinyModeServer::port() const { return port_of(socket_); }

}  // namespace skysock::load
