#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/sim/sim_kernel.hpp"
#include "core/sys/linux.hpp"

namespace skysock::conformance {

/// What a test about any kernel has to know about the one it runs on.
template <typename Sys>
struct Traits;

template <>
struct Traits<LinuxSys> {
  /// A moment in which the kernel may get on with its work.
  static void pass_time(LinuxSys&) { std::this_thread::yield(); }
  static void expect_clean(LinuxSys&) {}
  /// A regular file, open at its start for reading and writing.
  static Result<int> make_file(LinuxSys& sys, std::string_view contents) {
    const int fd = memfd_create("conformance", MFD_CLOEXEC);
    if (fd < 0) return last_errno();
    const auto written = sys.write(fd, std::as_bytes(std::span(contents)));
    EXPECT_EQ(written.value_or(0), contents.size());
    EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
  }
  static std::string file_text(LinuxSys&, int fd) {
    std::string text(1'000, '\0');
    const ssize_t got = pread(fd, text.data(), text.size(), 0);
    return text.substr(0, got < 0 ? 0 : static_cast<std::size_t>(got));
  }
};

template <>
struct Traits<SimKernel> {
  static void pass_time(SimKernel& sys) { sys.advance_ms(1'000); }
  static void expect_clean(SimKernel& sys) {
    EXPECT_EQ(sys.open_fds(), 0U);
    EXPECT_EQ(sys.bad_fd_calls(), 0U);
    EXPECT_EQ(sys.blocked_calls(), 0U);
  }
  static Result<int> make_file(SimKernel& sys, std::string_view contents) {
    return sys.lend_file(contents);
  }
  static std::string file_text(SimKernel& sys, int fd) { return sys.file_contents(fd); }
};

using Kernels = testing::Types<LinuxSys, SimKernel>;

struct KernelName {
  template <typename Sys>
  static std::string GetName(int) {
    return std::is_same_v<Sys, LinuxSys> ? "Linux" : "Sim";
  }
};

inline std::string names_of(std::uint32_t events) {
  std::string names;
  const auto name = [&](std::uint32_t bit, const char* text) {
    if ((events & bit) != 0) names += (names.empty() ? "" : "|") + std::string(text);
  };
  name(EPOLLIN, "IN");
  name(EPOLLOUT, "OUT");
  name(EPOLLRDHUP, "RDHUP");
  name(EPOLLERR, "ERR");
  name(EPOLLHUP, "HUP");
  return names.empty() ? "nothing" : names;
}

inline std::string name_of(std::error_code error) {
  const char* name = strerrorname_np(error.value());
  return name != nullptr ? name : error.message();
}

/// "ok" or the errno's name.
template <typename T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : name_of(result.error());
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// How much of what was offered a call took: "all", "part" or "none". How many bytes make a part
/// differs between kernels.
inline std::string class_of(std::size_t count, std::size_t offered) {
  if (count == offered) return "all";
  return count == 0 ? "none" : "part";
}

/// Whether `done()` comes true; gives it 5 s by the kernel's own clock.
template <typename Sys, typename Done>
bool eventually(Sys& sys, Done done) {
  const std::int64_t until_ms = sys.now_ms() + 5'000;
  while (!done()) {
    if (sys.now_ms() >= until_ms) return false;
    Traits<Sys>::pass_time(sys);
  }
  return true;
}

/// Calls on a kernel with their outcome as text, and the descriptors that are to be closed at the
/// end.
template <typename Sys>
class KernelTest : public testing::Test {
 protected:
  struct Pair {
    int client = -1;
    int server = -1;
  };

  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }

  void TearDown() override {
    while (!open_.empty()) close(open_.back());
    Traits<Sys>::expect_clean(sys);
  }

  int own(const Result<int>& fd) {
    if (!fd) throw std::system_error(fd.error());
    open_.push_back(*fd);
    return *fd;
  }

  void close(int fd) {
    std::erase(open_, fd);
    sys.close(fd);
  }

  PipeEnds make_pipe() {
    const PipeEnds ends = sys.make_pipe().value();
    open_.push_back(ends.read_fd);
    open_.push_back(ends.write_fd);
    return ends;
  }

  int make_socket() { return own(sys.stream_socket(AF_INET)); }

  static Endpoint any(const char* host = "127.0.0.1") {
    return Endpoint::from_numeric(host, 0).value();
  }

  Endpoint local(int fd) { return sys.local_endpoint(fd).value(); }

  /// A UDP socket bound to a free port of `host`.
  int make_datagrams(const char* host = "127.0.0.1") {
    const int fd = own(sys.datagram_socket(any(host).family()));
    EXPECT_EQ(outcome(sys.bind(fd, any(host))), "ok");
    return fd;
  }

  /// An endpoint no UDP socket is bound to.
  Endpoint nobody(const char* host = "127.0.0.1") {
    const int fd = make_datagrams(host);
    const Endpoint endpoint = local(fd);
    close(fd);
    return endpoint;
  }

  int make_bound() {
    const int fd = make_socket();
    EXPECT_EQ(outcome(sys.bind(fd, Endpoint::from_numeric("127.0.0.1", 0).value())), "ok");
    return fd;
  }

  int make_listener(int backlog = 16) { return make_listener_at(any(), backlog); }

  int make_listener_at(const Endpoint& endpoint, int backlog = 16) {
    const int fd = own(sys.stream_socket(endpoint.family()));
    EXPECT_EQ(outcome(sys.bind(fd, endpoint)), "ok");
    EXPECT_EQ(outcome(sys.listen(fd, backlog)), "ok");
    return fd;
  }

  /// A listener whose backlog has no room: with backlog 0, one connection fills it.
  int make_full_listener() {
    const int listener = make_listener(0);
    start_connect(listener);
    EXPECT_TRUE(becomes(listener, EPOLLIN));
    return listener;
  }

  /// A client whose connect to `listener` is under way or done.
  int start_connect(int listener) { return start_connect_to(local(listener)); }

  int start_connect_to(const Endpoint& endpoint) {
    const int fd = own(sys.stream_socket(endpoint.family()));
    EXPECT_EQ(outcome(sys.connect(fd, endpoint)), "EINPROGRESS");
    return fd;
  }

  /// A client whose connect was answered with RST, which nobody has been told yet.
  int make_refused_client() {
    const int fd = start_connect(make_bound());
    EXPECT_TRUE(becomes(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP));
    return fd;
  }

  int accept(int listener) {
    EXPECT_TRUE(becomes(listener, EPOLLIN));
    const AcceptedSocket accepted = sys.accept(listener).value();
    open_.push_back(accepted.fd);
    return accepted.fd;
  }

  /// A connection accepted from a client of its own.
  int accept_one() { return make_pair().server; }

  Pair make_pair() {
    const int listener = make_listener();
    Pair pair;
    pair.client = start_connect(listener);
    pair.server = accept(listener);
    EXPECT_TRUE(becomes(pair.client, EPOLLOUT));
    close(listener);
    return pair;
  }

  /// A connection in which the server answered with RST, after `sent` had arrived at the client.
  Pair make_reset_pair(std::string_view sent = "") {
    Pair pair = make_pair();
    if (!sent.empty()) {
      EXPECT_EQ(send(pair.server, sent), "ok");
    }
    EXPECT_EQ(send(pair.client, "never read"), "ok");
    EXPECT_TRUE(becomes(pair.server, EPOLLIN | EPOLLOUT));
    close(pair.server);
    return pair;
  }

  /// Reads until `expected` bytes came or nothing comes any more; returns how many.
  std::size_t drain(int fd, std::size_t expected) {
    const int set = own(sys.epoll_create());
    EXPECT_EQ(outcome(sys.epoll_add(set, fd, EPOLLIN, 0)), "ok");
    std::vector<std::byte> buffer(65'536);
    std::size_t total = 0;
    while (total < expected && wait_one(set, 5'000) != 0) {
      const auto got = sys.read(fd, buffer);
      if (!got || *got == 0) break;
      total += *got;
    }
    return total;
  }

  /// The bytes, "(end)", or the errno's name.
  std::string read(int fd, std::size_t bytes_max = 100) {
    std::string text(bytes_max, '\0');
    const auto got = sys.read(fd, std::as_writable_bytes(std::span(text)));
    if (!got) return name_of(got.error());
    return *got == 0 ? "(end)" : text.substr(0, *got);
  }

  /// As read(), by recv(2).
  std::string receive(int fd, std::size_t bytes_max = 100) {
    std::string text(bytes_max, '\0');
    const auto got = sys.receive(fd, std::as_writable_bytes(std::span(text)));
    if (!got) return name_of(got.error());
    return *got == 0 ? "(end)" : text.substr(0, *got);
  }

  std::string send(int fd, std::string_view text) {
    const iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    const auto sent = sys.send(fd, {&part, 1});
    return sent && *sent != text.size() ? "cut" : outcome(sent);
  }

  std::string write(int fd, std::string_view text) {
    const auto written = sys.write(fd, bytes_of(text));
    return written && *written != text.size() ? "cut" : outcome(written);
  }

  /// How many bytes were taken, or the errno's name.
  std::string write_parts(int fd, std::vector<std::string> texts) {
    std::vector<iovec> parts;
    for (auto& text : texts) parts.push_back({.iov_base = text.data(), .iov_len = text.size()});
    const auto written = sys.write_parts(fd, parts);
    return written ? std::to_string(*written) : outcome(written);
  }

  std::string send_to(int fd, std::string_view text, const Endpoint& to) {
    const auto sent = sys.send_to(fd, bytes_of(text), to);
    return sent && *sent != text.size() ? "cut" : outcome(sent);
  }

  /// "text from endpoint", or the errno's name.
  std::string receive_from(int fd, std::size_t bytes_max = 100) {
    std::string text(bytes_max, '\0');
    const auto got = sys.receive_from(fd, std::as_writable_bytes(std::span(text)));
    return got ? text.substr(0, got->bytes) + " from " + got->from.text() : outcome(got);
  }

  /// Sends until the kernel takes no more; returns how much it took.
  std::size_t fill(int fd) {
    const std::string chunk(65'536, 'x');
    const iovec part{.iov_base = const_cast<char*>(chunk.data()), .iov_len = chunk.size()};
    for (std::size_t total = 0;;) {
      const auto sent = sys.send(fd, {&part, 1});
      if (!sent) return sent.error() == std::errc::resource_unavailable_try_again ? total : 0;
      total += *sent;
    }
  }

  /// Sends until the connection of `fd` stays full; returns how much it took. Linux may still move
  /// bytes from the send buffer to the peer meanwhile.
  std::size_t fill_up(int fd) {
    const int set = own(sys.epoll_create());
    EXPECT_EQ(outcome(sys.epoll_add(set, fd, EPOLLOUT, 0)), "ok");
    std::size_t total = 0;
    do {
      total += fill(fd);
    } while (wait_one(set, 20) != 0);
    close(set);
    return total;
  }

  /// SO_ERROR as the errno's name, "none" for 0.
  std::string socket_error(int fd) {
    const int error = sys.take_socket_error(fd).value();
    return error == 0 ? "none" : name_of(errno_code(error));
  }

  template <typename Done>
  bool eventually(Done done) {
    return conformance::eventually(sys, done);
  }

  /// Whether the kernel comes to report exactly `expected` of fd.
  testing::AssertionResult becomes(int fd, std::uint32_t expected) {
    const int set = sys.epoll_create().value();
    EXPECT_EQ(outcome(sys.epoll_add(set, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 0)), "ok");
    std::uint32_t events = 0;
    const bool came = eventually([&] {
      events = wait_one(set, expected == 0 ? 10 : 100);
      return events == expected;
    });
    sys.close(set);
    if (came) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << "reports " << names_of(events) << ", expected " << names_of(expected);
  }

  /// Whether the kernel comes to report that fd is readable, whatever else.
  bool becomes_readable(int fd) {
    const int set = own(sys.epoll_create());
    EXPECT_EQ(outcome(sys.epoll_add(set, fd, EPOLLIN, 0)), "ok");
    const bool came = wait_one(set, 5'000) != 0;
    close(set);
    return came;
  }

  /// The events of the only descriptor of `set`; 0 after `timeout_ms` without any.
  std::uint32_t wait_one(int set, int timeout_ms) {
    epoll_event event{};
    const auto count = sys.epoll_wait(set, {&event, 1}, timeout_ms);
    return count.value_or(0) == 1 ? event.events : 0;
  }

  Sys sys;

 private:
  std::vector<int> open_;
};

}  // namespace skysock::conformance
