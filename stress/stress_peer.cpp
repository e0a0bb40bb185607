// stress_peer: an echo server with defects on purpose, so that the tests can prove that
// skysock-stress finds each of them. It shares no code with the clients but the descriptor.

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "stress/descriptor.hpp"

namespace {

using skysock::stress::Descriptor;

enum class Defect : std::uint8_t {
  none,
  flip,         // Changes the byte at the offset.
  skip,         // Leaves out the byte at the offset.
  close_at,     // Ends the stream at the offset.
  reset_at,     // Resets the connection at the offset.
  drop_tail,    // Leaves out the last byte before the end of the stream.
  stall,        // Answers nothing from the offset on.
  extra,        // Adds a byte before the end of the stream.
  no_end,       // Answers the client's end of stream with nothing.
  die_at,       // Aborts once a connection reaches the offset.
  bad_exit,     // Answers SIGTERM with exit status 3.
  ignore_term,  // Ignores SIGTERM.
  silent,       // Listens, but never says so.
};

const std::map<std::string, Defect> kDefects = {
    {"none", Defect::none},         {"flip", Defect::flip},
    {"skip", Defect::skip},         {"close-at", Defect::close_at},
    {"reset-at", Defect::reset_at}, {"drop-tail", Defect::drop_tail},
    {"stall", Defect::stall},       {"extra", Defect::extra},
    {"no-end", Defect::no_end},     {"die-at", Defect::die_at},
    {"bad-exit", Defect::bad_exit}, {"ignore-term", Defect::ignore_term},
    {"silent", Defect::silent}};

constexpr std::size_t kPendingMax = std::size_t{256} << 10U;
/// A byte held back by drop-tail goes out when nothing happened for this long: it was not the last
/// one.
constexpr int kHoldMs = 20;
constexpr int kBadExit = 3;

struct Stream {
  Descriptor fd;
  std::string pending;
  std::uint64_t received = 0;
  bool mute = false;  // Reads on and answers nothing.
  bool client_ended = false;
  bool ended = false;  // Our end of stream is sent.
  std::uint32_t interest = EPOLLIN;
};

class Peer {
 public:
  Peer(Defect defect, std::uint64_t at) : defect_(defect), at_(at) {}

  int run() {
    listen();
    while (true) {
      std::array<epoll_event, 64> events;
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), kHoldMs);
      if (count == 0) release_held();
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == signals_.get()) {
          if (defect_ == Defect::bad_exit) return bad_exit();
          if (defect_ != Defect::ignore_term) return 0;
          signalfd_siginfo info{};
          if (::read(fd, &info, sizeof info) < 0) return 1;
        } else if (fd == listener_.get()) {
          accept();
        } else {
          serve(fd);
        }
      }
    }
  }

 private:
  static int bad_exit() {
    fmt::print(stderr, "stress_peer: planted bad exit\n");
    return kBadExit;
  }

  void listen() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = Descriptor(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), name, size) != 0 || ::listen(listener_.get(), SOMAXCONN) != 0 ||
        ::getsockname(listener_.get(), name, &size) != 0) {
      std::perror("stress_peer: listen");
      std::exit(1);  // NOLINT(concurrency-mt-unsafe)
    }
    watch(EPOLL_CTL_ADD, signals_.get(), EPOLLIN);
    watch(EPOLL_CTL_ADD, listener_.get(), EPOLLIN);
    if (defect_ == Defect::silent) return;
    fmt::print("listening on 127.0.0.1:{}\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  void watch(int operation, int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), operation, fd, &event);
  }

  void accept() {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    streams_[fd].fd = Descriptor(fd);
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
  }

  void serve(int fd) {
    Stream& stream = streams_.at(fd);
    if (!read(stream) || !write(stream)) {
      streams_.erase(fd);
      return;
    }
    const bool reads = !stream.client_ended && stream.pending.size() < kPendingMax;
    const bool writes = stream.pending.size() > held(stream);
    const std::uint32_t wanted = (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U);
    if (wanted != stream.interest) watch(EPOLL_CTL_MOD, fd, stream.interest = wanted);
  }

  /// False when the stream is over.
  bool read(Stream& stream) {
    if (stream.client_ended || stream.pending.size() >= kPendingMax) return true;
    std::array<char, 65536> buffer;
    const ssize_t got = ::recv(stream.fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) return errno == EAGAIN;
    if (got > 0) return take(stream, {buffer.data(), static_cast<std::size_t>(got)});
    stream.client_ended = true;
    if (defect_ == Defect::extra) stream.pending += 'x';
    if (defect_ == Defect::drop_tail && !stream.pending.empty()) stream.pending.pop_back();
    return true;
  }

  /// Queues what is echoed of `bytes`, with the defect. False when the stream is over.
  bool take(Stream& stream, std::string bytes) {
    const std::uint64_t begin = stream.received;
    stream.received += bytes.size();
    const bool reaches = begin <= at_ && at_ < stream.received;
    const auto index = static_cast<std::size_t>(at_ - begin);
    if (stream.mute) return true;
    if (reaches && defect_ == Defect::flip) bytes[index] = static_cast<char>(bytes[index] ^ 1);
    if (reaches && defect_ == Defect::skip) bytes.erase(index, 1);
    if (reaches && defect_ == Defect::die_at) die();
    if (reaches && defect_ == Defect::reset_at) return reset(stream);
    if (reaches && (defect_ == Defect::stall || defect_ == Defect::close_at)) {
      bytes.resize(index);
      stream.mute = true;
    }
    stream.pending += bytes;
    return true;
  }

  [[noreturn]] static void die() {
    fmt::print(stderr, "stress_peer: planted death\n");
    std::fflush(stderr);
    std::abort();
  }

  static bool reset(const Stream& stream) {
    const linger now{1, 0};
    ::setsockopt(stream.fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return false;
  }

  std::size_t held(const Stream& stream) const {
    return defect_ == Defect::drop_tail && !stream.client_ended && !releasing_ ? 1 : 0;
  }

  /// False when the stream is over.
  bool write(Stream& stream) {
    while (stream.pending.size() > held(stream)) {
      const ssize_t sent = ::send(stream.fd.get(), stream.pending.data(),
                                  stream.pending.size() - held(stream), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN;
      stream.pending.erase(0, static_cast<std::size_t>(sent));
    }
    if (!stream.pending.empty()) return true;
    if (stream.client_ended) return defect_ == Defect::no_end || stalls(stream);
    if (stream.mute && defect_ == Defect::close_at && !stream.ended) {
      stream.ended = true;  // Reads on: a close with unread bytes would be a reset.
      ::shutdown(stream.fd.get(), SHUT_WR);
    }
    return true;
  }

  bool stalls(const Stream& stream) const { return stream.mute && defect_ == Defect::stall; }

  void release_held() {
    if (defect_ != Defect::drop_tail) return;
    releasing_ = true;
    for (auto& [fd, stream] : streams_) write(stream);
    releasing_ = false;
  }

  Defect defect_;
  std::uint64_t at_;
  Descriptor epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  Descriptor signals_;
  Descriptor listener_;
  std::map<int, Stream> streams_;
  bool releasing_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("An echo server with a defect on purpose; ends with 0 on SIGTERM.");
  Defect defect = Defect::none;
  std::uint64_t at = 0;
  app.add_option("--defect", defect, "what goes wrong")
      ->transform(CLI::CheckedTransformer(kDefects));
  app.add_option("--at", at, "offset in each connection's stream where it goes wrong");
  CLI11_PARSE(app, argc, argv);
  return Peer(defect, at).run();
}
