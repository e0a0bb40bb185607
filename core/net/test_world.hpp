#pragma once

// A socket server on some kernel, polled by the test itself, with raw sockets of the same kernel as
// its peers.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/net/rule_cells.hpp"
#include "core/net/socket_server.hpp"
#include "core/net/step_observer.hpp"
#include "core/sys/linux.hpp"

namespace skysock {

inline constexpr ServiceHandle kOwner = 7;
inline constexpr ServiceHandle kOther = 8;

/// How a kernel's time passes in tests.
template <typename Sys>
struct KernelTraits;

template <>
struct KernelTraits<LinuxSys> {
  static constexpr int kPollMs = 1;
  static constexpr int kPollsMax = 5'000;
  static void pass_ms(LinuxSys&, std::int64_t) {}  // It passes while polling.
};

template <Syscalls Sys>
class World {
 public:
  /// `run` is called as EventSink::run is: it may give commands.
  explicit World(Tuning tuning = {}, std::function<void()> run = nullptr) : run_(std::move(run)) {
    adapt(tuning);
    EventSink sink{.context = this, .deliver = [](void* context, Event&& event) {
                     return static_cast<World*>(context)->take(std::move(event));
                   }};
    if (run_) {
      sink.run = [](void* context) { static_cast<World*>(context)->run_(); };
      sink.deliver_and_run = [](void* context, Event&& event) {
        auto& world = *static_cast<World*>(context);
        const bool heard = world.take(std::move(event));
        world.run_();
        return heard;
      };
    }
    auto made = SocketServer<Sys>::create(sys, tuning, sink);
    EXPECT_TRUE(made.has_value());
    server = std::move(*made);
    // Not always: an observed reactor goes another way for DATA.
    if (!CellMatrix::of_this_run().counts_steps()) return;
    server->observe({.context = nullptr, .on_step = [](void*, const Step& step) {
                       CellMatrix::of_this_run().stepped(step.rule);
                     }});
  }

  ~World() {
    for (const int fd : peers_) sys.close(fd);
  }

  /// Polls until `done()`; false when the world stays as it is.
  template <typename Done>
  [[nodiscard]] bool until(Done done) {
    for (int turn = 0; turn < KernelTraits<Sys>::kPollsMax; ++turn) {
      if (done()) return true;
      server->poll(KernelTraits<Sys>::kPollMs);
    }
    return done();
  }

  /// Polls a few times, for what must not happen.
  void settle() {
    for (int turn = 0; turn < 10; ++turn) server->poll(KernelTraits<Sys>::kPollMs);
  }

  [[nodiscard]] std::size_t count(EventKind kind, SocketId id) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        events, [&](const Event& event) { return event.kind == kind && event.id == id; }));
  }

  /// Polls until there is an event of this kind for `id`; returns the first, or nullptr.
  const Event* wait_for(EventKind kind, SocketId id) {
    if (!until([&] { return count(kind, id) > 0; })) return nullptr;
    return &*std::ranges::find_if(
        events, [&](const Event& event) { return event.kind == kind && event.id == id; });
  }

  /// All that was received on `id`, in order.
  [[nodiscard]] std::string data_of(SocketId id) const {
    std::string all;
    for (const Event& event : events) {
      if (event.kind == EventKind::data && event.id == id) all += event.data.text();
    }
    return all;
  }

  /// Kinds of all events of `id`, in order, a letter each: O A D C E U W H.
  [[nodiscard]] std::string story_of(SocketId id) const {
    std::string story;
    for (const Event& event : events) {
      if (event.id == id) story += "OADCEUWH"[static_cast<std::size_t>(event.kind)];
    }
    return story;
  }

  /// A listener on a free loopback port, started unless told otherwise.
  SocketId listener(bool started = true) {
    const auto id = server->listen(kOwner, "127.0.0.1", 0);
    EXPECT_TRUE(id.has_value()) << id.error().message();
    const Event* open = wait_for(EventKind::open, *id);
    EXPECT_NE(open, nullptr);
    if (open != nullptr) port = static_cast<std::uint16_t>(open->ud);
    if (started) {
      EXPECT_TRUE(server->start(kOwner, *id).has_value());
      EXPECT_TRUE(until([&] { return count(EventKind::open, *id) == 2; }));
    }
    return *id;
  }

  /// A raw client of `port`, connecting.
  int client() {
    const int fd = sys.stream_socket(AF_INET).value();
    peers_.insert(fd);
    const auto connected = sys.connect(fd, *Endpoint::from_numeric("127.0.0.1", port));
    EXPECT_TRUE(connected || connected.error() == std::errc::operation_in_progress);
    return fd;
  }

  struct Pair {
    SocketId listener = 0;
    SocketId id = 0;
    int peer = -1;
  };

  /// An accepted connection and its peer, started unless told otherwise.
  Pair connection(bool started = true) {
    Pair pair{.listener = listener(), .peer = client()};
    const Event* accept = wait_for(EventKind::accept, pair.listener);
    EXPECT_NE(accept, nullptr);
    pair.id = accept == nullptr ? 0 : static_cast<SocketId>(accept->ud);
    if (started) {
      EXPECT_TRUE(server->start(kOwner, pair.id).has_value());
      EXPECT_NE(wait_for(EventKind::open, pair.id), nullptr);
    }
    return pair;
  }

  bool send(SocketId id, std::string_view text, Priority priority = Priority::high) {
    return server->send(id, Block::copy_of(text), priority).has_value();
  }

  void close(SocketId id, CloseMode mode = CloseMode::soft, ServiceHandle requester = kOwner,
             CloseAnswer answer = CloseAnswer::not_needed) {
    EXPECT_TRUE(server->close(requester, id, mode, answer).has_value());
  }

  void peer_send(int peer, std::string_view text) {
    std::size_t sent = 0;
    const bool done = until([&] {
      const iovec part{.iov_base = const_cast<char*>(text.data()) + sent,
                       .iov_len = text.size() - sent};
      const auto count = sys.send(peer, std::span(&part, 1));
      if (count) sent += *count;
      return sent == text.size();
    });
    EXPECT_TRUE(done) << "the peer could not send";
  }

  struct Received {
    std::string text;
    bool eof = false;
    std::error_code error;
  };

  /// What the peer reads until EOF, an error, or `bytes_max`.
  Received peer_read(int peer, std::size_t bytes_max = SIZE_MAX) {
    Received received;
    std::vector<std::byte> buffer(65'536);
    const bool ended = until([&] {
      for (;;) {
        const std::size_t want = std::min(buffer.size(), bytes_max - received.text.size());
        if (want == 0) return true;
        const auto got = sys.read(peer, std::span(buffer).first(want));
        if (!got && got.error() == std::errc::resource_unavailable_try_again) return false;
        if (!got) received.error = got.error();
        if (got && *got == 0) received.eof = true;
        if (!got || *got == 0) return true;
        received.text.append(reinterpret_cast<const char*>(buffer.data()), *got);
      }
    });
    EXPECT_TRUE(ended) << "the peer waits for ever after " << received.text.size() << " bytes";
    return received;
  }

  void peer_close(int peer) {
    peers_.erase(peer);
    sys.close(peer);
  }

  /// Lets time pass and the server notice.
  void pass_ms(std::int64_t ms) {
    const std::int64_t end_ms = sys.now_ms() + ms;
    KernelTraits<Sys>::pass_ms(sys, ms);
    do {
      server->poll(KernelTraits<Sys>::kPollMs);
    } while (sys.now_ms() < end_ms);
    settle();
  }

  /// Asks from inside poll(), where it does not wait for another thread.
  std::vector<SocketInfo> netstat() {
    netstat_.reset();
    EXPECT_TRUE(server->start(kAsker, kNoSuchId).has_value());
    EXPECT_TRUE(until([&] { return netstat_.has_value(); }));
    return netstat_.value_or(std::vector<SocketInfo>());
  }

  /// The line of `id`; an empty one (id 0) when there is none.
  SocketInfo info_of(SocketId id) {
    for (SocketInfo& info : netstat()) {
      if (info.id == id) return std::move(info);
    }
    return {};
  }

  /// A descriptor of the test's own, closed at the end.
  int keep(int fd) {
    peers_.insert(fd);
    return fd;
  }

  /// The peer's close(2) sends RST.
  void peer_reset(int peer) {
    EXPECT_TRUE(sys.set_option(peer, SocketOption::reset_on_close, 1).has_value());
    peer_close(peer);
  }

  Sys sys;
  std::vector<Event> events;
  std::set<ServiceHandle> dead;
  std::function<void(const Event&)> on_event;  ///< Called before it joins `events`.
  std::uint16_t port = 0;
  std::unique_ptr<SocketServer<Sys>> server;

 private:
  /// All tests must pass whichever poller and channel there is: ctest runs them with others, too.
  static void adapt(Tuning& tuning) {
    const char* text = std::getenv("SKYSOCK_TEST_TUNING");
    if (text == nullptr) return;
    const Tuning other = parse_tuning(text).value();
    tuning.poller = other.poller;
    tuning.control = other.control;
  }

  static constexpr ServiceHandle kAsker = 0xFFFF'FFFF;
  static constexpr SocketId kNoSuchId = 0x7FFF'FFFF;

  bool take(Event&& event) {
    if (event.to == kAsker) {
      netstat_ = server->netstat();
      return true;
    }
    if (dead.contains(event.to)) return false;
    if (on_event) on_event(event);
    events.push_back(std::move(event));
    return true;
  }

  std::function<void()> run_;
  std::optional<std::vector<SocketInfo>> netstat_;
  std::set<int> peers_;
};

}  // namespace skysock
