// What only a poller over io_uring can get wrong: what the kernel completes by itself although its
// socket is held, closed or another one by then; sends that are on their way; buffers that run out.
// That everything else is as with epoll, the other suites say with SKYSOCK_TEST_TUNING.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"
#include "core/sys/linux_uring.hpp"

namespace skysock {
namespace {

TEST(PollerFallback, WithoutIoUringEpollServesAndSaysWhy) {
  World<SimKernel> world(parse_tuning("poller=io_uring").value());
  const PollerInUse poller = world.server->poller();
  EXPECT_EQ(poller.kind, PollerKind::epoll_lt);
  EXPECT_EQ(fallback_text(poller),
            "poller=io_uring cannot be had here (Function not implemented): epoll_lt is used "
            "instead");
  const auto pair = world.connection();
  world.peer_send(pair.peer, "served");
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id) == "served"; }));
}

TEST(PollerFallback, WhoGetsWhatWasAskedForIsToldNothing) {
  for (const char* tuning : {"poller=epoll_lt", "poller=epoll_et"}) {
    World<SimKernel> world(parse_tuning(tuning).value());
    EXPECT_EQ(fallback_text(world.server->poller()), "");
  }
}

/// Those of very many connections at once.
TEST(LinuxUringTest, CompletionsBeyondTheRoomForThemAreNotLost) {
  constexpr std::uint64_t kMany = 6'000;  // There is room for 4,096.
  Result<LinuxUring> ring = LinuxUring::create(1);
  if (!ring) GTEST_SKIP() << ring.error().message();
  ASSERT_TRUE(ring->enable());
  LinuxSys sys;
  const int ready = sys.make_event().value();
  sys.signal_event(ready);
  for (std::uint64_t user = 0; user < kMany; ++user) ASSERT_TRUE(ring->poll(ready, user));
  ASSERT_TRUE(ring->enter(0));
  std::uint64_t next = 0;
  ring->take([&](const UringCompletion& one) { EXPECT_EQ(one.user, next++); });
  EXPECT_EQ(next, kMany);
  sys.close(ready);
}

class Uring : public testing::Test {
 protected:
  using Pair = World<LinuxSys>::Pair;

  /// `more`: tuning. `run`: as World's.
  void make(const std::string& more = "", std::function<void()> run = nullptr) {
    const std::string tuning = "poller=io_uring" + (more.empty() ? "" : "," + more);
    made_ = std::make_unique<World<LinuxSys>>(parse_tuning(tuning).value(), std::move(run));
  }
  World<LinuxSys>& world() { return *made_; }
  [[nodiscard]] bool has_uring() const {
    return made_->server->poller().kind == PollerKind::io_uring;
  }

  /// Before the server looks again.
  void send_now(int peer, std::string_view text) {
    const iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    ASSERT_EQ(world().sys.send(peer, std::span(&part, 1)).value_or(0), text.size());
  }

  /// Another connection to the listener of `pair`, started.
  Pair another(const Pair& pair) {
    const std::size_t before = world().count(EventKind::accept, pair.listener);
    const int peer = world().client();
    EXPECT_TRUE(
        world().until([&] { return world().count(EventKind::accept, pair.listener) > before; }));
    const auto id = static_cast<SocketId>(world().events.back().ud);
    EXPECT_TRUE(world().server->start(kOwner, id).has_value());
    EXPECT_NE(world().wait_for(EventKind::open, id), nullptr);
    return {.listener = pair.listener, .id = id, .peer = peer};
  }

  /// What the peer gets, to the end or until a second has passed, without letting the server look.
  World<LinuxSys>::Received read_now(int peer) {
    World<LinuxSys>::Received received;
    std::array<std::byte, 4'096> buffer;
    for (;;) {
      // The loopback may hand it over a moment after the call that sent it.
      pollfd readable{.fd = peer, .events = POLLIN};
      TEMP_FAILURE_RETRY(::poll(&readable, 1, 1'000));
      const Result<std::size_t> got = world().sys.read(peer, buffer);
      if (!got) received.error = got.error();
      received.eof = got.value_or(1) == 0;
      if (got.value_or(0) == 0) return received;
      received.text.append(reinterpret_cast<const char*>(buffer.data()), *got);
    }
  }

  /// Whether somebody else can listen there now.
  bool is_free(std::uint16_t port) {
    LinuxSys sys;
    const int fd = sys.stream_socket(AF_INET).value();
    const bool free = sys.bind(fd, *Endpoint::from_numeric("127.0.0.1", port)).has_value() &&
                      sys.listen(fd, 1).has_value();
    sys.close(fd);
    return free;
  }

  std::unique_ptr<World<LinuxSys>> made_;
};

#define MAKE_OR_SKIP(...) \
  make(__VA_ARGS__);      \
  if (!has_uring()) GTEST_SKIP() << fallback_text(world().server->poller())

// ---- What came although the watch had changed

TEST_F(Uring, WhatWasReadWhileAHoldWasOnItsWayComesWithTheStartInOrder) {
  MAKE_OR_SKIP();
  const Pair pair = world().connection();
  ASSERT_TRUE(world().server->hold(kOwner, pair.id).has_value());
  send_now(pair.peer, "read already, ");  // The ring reads it in the wait before the hold.
  world().settle();
  send_now(pair.peer, "read later");
  world().settle();
  EXPECT_EQ(world().data_of(pair.id), "");
  ASSERT_TRUE(world().server->start(kOwner, pair.id).has_value());
  EXPECT_TRUE(world().until([&] { return world().data_of(pair.id).size() == 24; }));
  EXPECT_EQ(world().data_of(pair.id), "read already, read later");
}

TEST_F(Uring, AResetWhileAHoldWasOnItsWayIsDataThenErrThenClose) {
  MAKE_OR_SKIP();
  const Pair pair = world().connection();
  ASSERT_TRUE(world().server->hold(kOwner, pair.id).has_value());
  send_now(pair.peer, "last");
  world().peer_reset(pair.peer);
  ASSERT_NE(world().wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world().story_of(pair.id), "ODEC");
}

TEST_F(Uring, AFinWhileAHoldWasOnItsWayIsToldByTheStart) {
  MAKE_OR_SKIP();
  const Pair pair = world().connection();
  ASSERT_TRUE(world().server->hold(kOwner, pair.id).has_value());
  send_now(pair.peer, "bye");
  ASSERT_TRUE(world().sys.shutdown_write(pair.peer).has_value());
  world().settle();
  EXPECT_EQ(world().story_of(pair.id), "O");
  const std::uint64_t wakeups = world().server->counts().wakeups;
  world().settle();
  EXPECT_EQ(world().server->counts().wakeups, wakeups) << "it spins";
  ASSERT_TRUE(world().server->start(kOwner, pair.id).has_value());
  ASSERT_NE(world().wait_for(EventKind::close, pair.id), nullptr);
  EXPECT_EQ(world().story_of(pair.id), "OODC");
}

TEST_F(Uring, WhatWasReadWhileAHandOverWasOnItsWayGoesToTheNextOwner) {
  MAKE_OR_SKIP();
  const Pair pair = world().connection();
  ASSERT_TRUE(world().server->hand_over(kOwner, pair.id).has_value());
  send_now(pair.peer, "for the next one");
  ASSERT_NE(world().wait_for(EventKind::handover, pair.id), nullptr);
  world().settle();
  EXPECT_EQ(world().data_of(pair.id), "");
  ASSERT_TRUE(world().server->hand_over_done(kOwner, pair.id).has_value());
  ASSERT_TRUE(world().server->start(kOther, pair.id).has_value());
  const Event* data = world().wait_for(EventKind::data, pair.id);
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(data->to, kOther);
  EXPECT_EQ(data->data.text(), "for the next one");
}

TEST_F(Uring, WhomAHeldListenerAcceptedAlreadyIsReportedByItsStart) {
  MAKE_OR_SKIP();
  const SocketId listener = world().listener();
  ASSERT_TRUE(world().server->hold(kOwner, listener).has_value());
  world().client();  // The ring accepts it in the wait before the hold.
  world().settle();
  EXPECT_EQ(world().count(EventKind::accept, listener), 0U);
  ASSERT_TRUE(world().server->start(kOwner, listener).has_value());
  ASSERT_NE(world().wait_for(EventKind::accept, listener), nullptr);
  EXPECT_THAT(std::string(world().events.back().data.text()), testing::StartsWith("127.0.0.1:"));
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST_F(Uring, WhomAClosedListenerAcceptedAlreadyIsClosed) {
  for (const bool held : {true, false}) {
    MAKE_OR_SKIP();
    const SocketId listener = world().listener();
    const std::size_t before = open_descriptors();
    if (held) {
      ASSERT_TRUE(world().server->hold(kOwner, listener).has_value());
    } else {
      world().close(listener);
    }
    const int peer = world().client();
    world().settle();
    if (held) world().close(listener);
    ASSERT_NE(world().wait_for(EventKind::close, listener), nullptr);
    const auto received = world().peer_read(peer);
    EXPECT_TRUE(received.eof || received.error == std::errc::connection_reset);
    world().peer_close(peer);
    EXPECT_EQ(open_descriptors(), before - 1) << "the listener's is gone, and no other is there";
  }
}

TEST_F(Uring, APeerThatWasResetBeforeItsAcceptStillHasAnAddress) {
  MAKE_OR_SKIP();
  const SocketId listener = world().listener(false);
  world().peer_reset(world().client());
  ASSERT_TRUE(world().server->start(kOwner, listener).has_value());
  const Event* accept = world().wait_for(EventKind::accept, listener);
  ASSERT_NE(accept, nullptr);
  EXPECT_THAT(std::string(accept->data.text()), testing::StartsWith("127.0.0.1:"));
}

/// Both have data in one batch; the first one that is told closes the other, whose place goes to a
/// connection of its own.
TEST_F(Uring, WhatWasReadForAnEarlierSocketOfASlotReachesNobody) {
  std::vector<SocketId> ids;
  std::vector<SocketId> reused;
  SocketServer<LinuxSys>* server = nullptr;
  std::uint16_t port = 0;
  const auto run = [&] {
    if (ids.empty() || made_->data_of(ids[0]).size() == made_->data_of(ids[1]).size()) return;
    const SocketId other = made_->data_of(ids[0]).empty() ? ids[0] : ids[1];
    ids.clear();
    EXPECT_TRUE(server->close(kOwner, other, CloseMode::abortive, CloseAnswer::not_needed));
    reused.push_back(other);
  };
  MAKE_OR_SKIP("slots=4", run);
  server = world().server.get();
  const Pair first = world().connection();
  port = world().port;
  ASSERT_NE(port, 0);
  for (int turn = 0; turn < 300; ++turn) {
    world().events.clear();
    Pair pairs[2];
    for (Pair& pair : pairs) pair = another(first);
    ids = {pairs[0].id, pairs[1].id};
    for (const Pair& pair : pairs) send_now(pair.peer, "one");
    ASSERT_TRUE(world().until([&] { return ids.empty(); }));
    const SocketId closed = reused.back();
    ASSERT_TRUE(world().until([&] { return world().server->state(closed) == State::free; }));
    ASSERT_EQ(world().data_of(closed), "");
    world().close(closed == pairs[0].id ? pairs[1].id : pairs[0].id, CloseMode::abortive);
    ASSERT_TRUE(world().until([&] { return world().server->counts().slots_used == 2; }));
    for (const Pair& pair : pairs) world().peer_reset(pair.peer);
  }
  world().events.clear();
  EXPECT_GT(world().server->counts().stale_events, 200U) << "the test proves nothing";
  send_now(first.peer, "still here");
  EXPECT_TRUE(world().until([&] { return world().data_of(first.id) == "still here"; }));
}

// ---- Limits

TEST_F(Uring, MoreThanAllBuffersHoldArrivesWholeAndInOrder) {
  MAKE_OR_SKIP("read_buffer_bytes=64");
  std::vector<Pair> pairs = {world().connection()};
  while (pairs.size() < 40) pairs.push_back(another(pairs.front()));
  world().events.clear();
  std::string flood(20'000, ' ');
  for (std::size_t at = 0; at < flood.size(); ++at) flood[at] = static_cast<char>('a' + at % 23);
  for (const Pair& pair : pairs) send_now(pair.peer, flood);
  for (const Pair& pair : pairs) {
    EXPECT_TRUE(world().until([&] { return world().data_of(pair.id).size() == flood.size(); }));
    EXPECT_TRUE(world().data_of(pair.id) == flood);
  }
}

TEST_F(Uring, MoreRequestsThanTheRingHoldsInOneBatchAreAllMade) {
  constexpr std::size_t kMany = 700;
  std::vector<SocketId> ids;
  const auto run = [&] {
    if (ids.size() < kMany || made_->count(EventKind::data, ids.front()) == 0) return;
    for (const SocketId id : ids) EXPECT_TRUE(made_->send(id, "to all"));
    ids.clear();
  };
  MAKE_OR_SKIP("", run);
  const SocketId listener = world().listener();
  std::vector<int> peers;
  for (std::size_t count = 0; count < kMany; ++count) peers.push_back(world().client());
  ASSERT_TRUE(world().until([&] { return world().count(EventKind::accept, listener) == kMany; }));
  std::vector<SocketId> started;
  for (const Event& event : world().events) {
    if (event.kind == EventKind::accept) started.push_back(static_cast<SocketId>(event.ud));
  }
  for (const SocketId id : started) ASSERT_TRUE(world().server->start(kOwner, id).has_value());
  world().settle();
  ids = started;
  for (const int peer : peers) send_now(peer, "x");
  for (const int peer : peers) ASSERT_EQ(world().peer_read(peer, 6).text, "to all");
}

TEST_F(Uring, OneEventAtATimeIsEnough) {
  MAKE_OR_SKIP("max_events=1");
  std::vector<Pair> pairs = {world().connection()};
  while (pairs.size() < 5) pairs.push_back(another(pairs.front()));
  for (const Pair& pair : pairs) send_now(pair.peer, "x");
  for (const Pair& pair : pairs) {
    EXPECT_NE(world().wait_for(EventKind::data, pair.id), nullptr);
  }
}

// ---- The end of an armed request

TEST_F(Uring, WhenCloseIsToldThePeerHasItsFinAndThePortIsFree) {
  MAKE_OR_SKIP("linger_ms=0");
  const Pair pair = world().connection();
  int told = 0;
  world().on_event = [&](const Event& event) {
    if (event.kind != EventKind::close) return;
    ++told;
    if (event.id == pair.id) {
      EXPECT_TRUE(read_now(pair.peer).eof);
    } else {
      EXPECT_TRUE(is_free(world().port));
    }
  };
  world().close(pair.id);
  world().settle();
  world().close(pair.listener);
  world().settle();
  EXPECT_EQ(told, 2);
}

TEST_F(Uring, AfterTheServerNothingIsOpen) {
  for (const bool exits : {true, false}) {
    for (const bool on_another_thread : {true, false}) {
      MAKE_OR_SKIP();
      Pair pair;
      const auto live = [&] {
        pair = world().connection();
        if (!exits) return;
        EXPECT_TRUE(world().server->exit().has_value());
        while (world().server->poll(1)) {
        }
      };
      // Whoever polls first is the only one that may.
      if (on_another_thread) {
        std::jthread{live}.join();
      } else {
        live();
      }
      world().server.reset();
      EXPECT_TRUE(read_now(pair.peer).eof);
      EXPECT_TRUE(is_free(world().port));
    }
  }
}

// ---- Sends on their way

/// What the owner does inside the callback that DATA brought.
class UringSend : public Uring {
 protected:
  void on_data(std::function<void(SocketId)> act, const std::string& tuning = "") {
    make(tuning, [this, act = std::move(act)] {
      if (id_ == 0 || made_->data_of(id_).empty()) return;
      act(std::exchange(id_, 0));
    });
  }
  SocketId id_ = 0;
};

TEST_F(UringSend, TheyLeaveTogetherAndInOrder) {
  on_data([this](SocketId id) {
    for (const char* text : {"one ", "two ", "three"}) {
      EXPECT_EQ(world().server->send(id, Block::copy_of(text)).value(), SendOutcome::queued);
    }
  });
  if (!has_uring()) GTEST_SKIP();
  const Pair pair = world().connection();
  id_ = pair.id;
  send_now(pair.peer, "go");
  EXPECT_EQ(world().peer_read(pair.peer, 13).text, "one two three");
  EXPECT_GE(world().server->counts().direct_writes, 1U);
  EXPECT_EQ(world().info_of(pair.id).written_bytes, 13U);
}

// That a send was taken whole wakes nobody, and the next ones wait for it: whoever is about to
// sleep has to look first.
TEST_F(UringSend, NobodySleepsWhileOutputWaitsForThem) {
  on_data([this](SocketId id) {
    for (const char* text : {"one ", "two ", "three"}) EXPECT_TRUE(world().send(id, text));
  });
  if (!has_uring()) GTEST_SKIP();
  const Pair pair = world().connection();
  id_ = pair.id;
  send_now(pair.peer, "go");
  const auto begin = std::chrono::steady_clock::now();
  while (world().server->counts().bytes_written < 13) world().server->poll(10'000);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
  EXPECT_EQ(world().peer_read(pair.peer, 13).text, "one two three");
}

TEST_F(UringSend, ACloseInTheSameBreathComesBehindThem) {
  for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
    on_data([this, mode](SocketId id) {
      EXPECT_TRUE(world().send(id, "answer"));
      world().close(id, mode);
    });
    if (!has_uring()) GTEST_SKIP();
    const Pair pair = world().connection();
    id_ = pair.id;
    send_now(pair.peer, "go");
    const auto received = world().peer_read(pair.peer);
    EXPECT_EQ(received.text, "answer");
    EXPECT_TRUE(received.eof) << received.error.message();
    EXPECT_EQ(world().story_of(pair.id), "ODC");
  }
}

TEST_F(UringSend, TheEndOfTheServerComesBehindThem) {
  for (const bool on_another_thread : {true, false}) {
    on_data([this](SocketId id) { EXPECT_TRUE(world().send(id, "last words")); });
    if (!has_uring()) GTEST_SKIP();
    Pair pair;
    const auto live = [&] {
      pair = world().connection();
      id_ = pair.id;
      send_now(pair.peer, "go");
      while (world().data_of(pair.id).empty()) world().server->poll(1);
    };
    if (on_another_thread) {
      std::jthread{live}.join();
    } else {
      live();
    }
    world().server.reset();
    EXPECT_EQ(read_now(pair.peer).text, "last words");
  }
}

TEST_F(UringSend, WhatThePeerDoesNotTakeWaitsAndArrivesWholeAndInOrder) {
  constexpr std::size_t kPieces = 300;
  on_data([this](SocketId id) {
    for (std::size_t piece = 0; piece < kPieces; ++piece) {
      EXPECT_TRUE(world().send(id, std::string(50'000, static_cast<char>('a' + piece % 26))));
    }
  });
  if (!has_uring()) GTEST_SKIP();
  const Pair pair = world().connection();
  std::string expected;
  for (std::size_t piece = 0; piece < kPieces; ++piece) {
    expected.append(50'000, static_cast<char>('a' + piece % 26));
  }
  id_ = pair.id;
  send_now(pair.peer, "go");
  const std::string got = world().peer_read(pair.peer, expected.size()).text;
  EXPECT_EQ(got.size(), expected.size());
  EXPECT_TRUE(got == expected);
  EXPECT_EQ(world().info_of(pair.id).queued_bytes, 0U);
}

TEST_F(UringSend, APartThatWasTakenIsNotSentTwice) {
  on_data([this](SocketId id) { EXPECT_TRUE(world().send(id, std::string(60'000, 'r') + "end")); },
          "send_buffer_bytes=4096,receive_buffer_bytes=4096");
  if (!has_uring()) GTEST_SKIP();
  const Pair pair = world().connection();
  id_ = pair.id;
  send_now(pair.peer, "go");
  ASSERT_TRUE(world().until([&] { return world().server->counts().direct_remainders == 1; }));
  EXPECT_GT(world().info_of(pair.id).written_bytes, 0U) << "nothing was taken: it proves nothing";
  world().close(pair.id);
  EXPECT_EQ(world().peer_read(pair.peer).text, std::string(60'000, 'r') + "end");
}

TEST_F(UringSend, AFailureIsErrAndWhatWasReceivedStillComes) {
  on_data([this](SocketId id) { EXPECT_TRUE(world().send(id, "nobody reads this")); });
  if (!has_uring()) GTEST_SKIP();
  const Pair pair = world().connection();
  ASSERT_TRUE(world().sys.shutdown_write(pair.peer).has_value());
  ASSERT_NE(world().wait_for(EventKind::close, pair.id), nullptr);
  world().peer_reset(pair.peer);
  EXPECT_TRUE(world().until([&] { return world().server->state(pair.id) == State::free; }));
  EXPECT_THAT(world().story_of(pair.id), testing::StartsWith("OC"));
}

}  // namespace
}  // namespace skysock
