#include "bench/micro/command_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{10};
constexpr int kPollMs = 100;

std::unexpected<std::string> failed(const char* what, const std::string& why) {
  return std::unexpected(fmt::format("{}: {}", what, why));
}

std::unexpected<std::string> call_failed(const char* what) {
  return failed(what, load::errno_text(errno));
}

Outcome<std::pair<Fd, Fd>> socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return call_failed("socketpair");
  }
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

struct Bound {
  Fd fd;
  Endpoint endpoint;
};

Outcome<Bound> bound_on_loopback(int type) {
  Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!fd) return call_failed("socket");
  const Endpoint any = *Endpoint::from_numeric("127.0.0.1", 0);
  if (::bind(fd.get(), any.data(), any.size()) != 0) return call_failed("bind");
  sockaddr_in address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return call_failed("getsockname");
  }
  return Bound{std::move(fd),
               Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), length)};
}

}  // namespace

Outcome<std::unique_ptr<CommandServer>> CommandServer::create(ChannelKind control) {
  auto made = std::unique_ptr<CommandServer>(new CommandServer());
  if (auto opened = made->open_ends(); !opened) return std::unexpected(opened.error());
  const auto deliver = [](void* context, Event&& event) {
    auto& self = *static_cast<CommandServer*>(context);
    ++self.events_[static_cast<std::size_t>(event.kind)];
    if (event.kind == EventKind::error) self.refusal_ = event.data.text();
    return true;
  };
  Tuning tuning;
  tuning.control = static_cast<std::int64_t>(control);
  tuning.direct_write = 0;
  tuning.abort = static_cast<std::int64_t>(AbortKind::rst);  // Leaves no TIME_WAIT behind.
  auto server = SocketServer<LinuxSys>::create(made->sys_, tuning,
                                               {.context = made.get(), .deliver = deliver});
  if (!server) return failed("socket server", server.error().message());
  made->server_ = std::move(*server);
  if (auto opened = made->open_sockets(); !opened) return std::unexpected(opened.error());
  return made;
}

Outcome<void> CommandServer::open_ends() {
  auto stream = socket_pair();
  if (!stream) return std::unexpected(stream.error());
  std::tie(ours_, peer_) = std::move(*stream);
  auto spare = socket_pair();
  if (!spare) return std::unexpected(spare.error());
  std::tie(spare_, spare_peer_) = std::move(*spare);
  auto receiver = bound_on_loopback(SOCK_DGRAM);
  if (!receiver) return std::unexpected(receiver.error());
  receiver_ = std::move(receiver->fd);
  receiver_address_ = UdpAddress::from_endpoint(receiver->endpoint);
  auto listener = bound_on_loopback(SOCK_STREAM);
  if (!listener) return std::unexpected(listener.error());
  listener_ = std::move(listener->fd);
  listener_port_ = listener->endpoint.port();
  if (::listen(listener_.get(), SOMAXCONN) != 0) return call_failed("listen");
  return {};
}

Outcome<void> CommandServer::open_sockets() {
  const auto stream = server_->bind(kOwner, ours_.get());
  if (!stream) return failed("bind", stream.error().message());
  stream_ = *stream;
  const auto datagrams = server_->udp(kOwner, "127.0.0.1", 0);
  if (!datagrams) return failed("udp", datagrams.error().message());
  datagrams_ = *datagrams;
  if (auto opened = hear(EventKind::open, 1); !opened) return opened;
  return carry_out(2);
}

template <typename Done>
Outcome<void> CommandServer::poll_until(Done done) {
  const auto end = Clock::now() + kPatience;
  while (!done()) {
    if (!refusal_.empty()) return failed("the server refused", refusal_);
    if (Clock::now() > end) return std::unexpected("what was awaited of the server did not come");
    server_->poll(kPollMs);
  }
  return {};
}

Outcome<void> CommandServer::carry_out(std::uint64_t packets) {
  if (auto done = poll_until([&] { return carried_out() >= packets; }); !done) return done;
  const SocketServerCounts counts = server_->counts();
  const std::uint64_t bad = counts.decode_errors + counts.stale_tokens + counts.dropped_sends;
  if (counts.packets == packets && bad == 0 && refusal_.empty()) return {};
  return std::unexpected(
      fmt::format("{} packets were carried out, {} of them in vain; expected {} and 0{}{}",
                  counts.packets, bad, packets, refusal_.empty() ? "" : "; ", refusal_));
}

Outcome<void> CommandServer::hear(EventKind kind, std::uint64_t count) {
  return poll_until([&] { return heard(kind) >= count; });
}

}  // namespace skysock::bench
