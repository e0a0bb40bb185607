// Does the server have a defect that skynet's has or had? Third part of known_defects_test.cpp:
// nobody waits for ever. Whoever makes a socket gets an error from the call or exactly one answer,
// and whoever closes one is answered, whatever else is going on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <array>

#include "core/net/step_observer.hpp"
#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class KnownWaitsOn : public testing::Test {};
TYPED_TEST_SUITE(KnownWaitsOn, TestKernels, KernelNames);

// ---- Making sockets

TYPED_TEST(KnownWaitsOn, LV10_AnOpenThatFailsIsAnsweredByOneErrorToWhoOwnsItThen) {
  World<TypeParam> world;
  const SocketId listener = world.listener();
  world.close(listener);
  ASSERT_NE(world.wait_for(EventKind::close, listener), nullptr);
  for (const ServiceHandle taken_over_by : {ServiceHandle{0}, kOther}) {
    const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
    if (taken_over_by != 0) {
      EXPECT_TRUE(world.server->start(taken_over_by, id).has_value());
    }
    const Event* error = world.wait_for(EventKind::error, id);
    ASSERT_NE(error, nullptr) << "the opener waits for ever";
    EXPECT_EQ(error->to, taken_over_by != 0 ? taken_over_by : kOwner);
    EXPECT_EQ(error->data.text(), "Connection refused");
    world.settle();
    EXPECT_EQ(world.story_of(id), "E");
    EXPECT_EQ(world.server->counts().slots_used, 0U);
  }
}

/// Every way in which an open can fail once its call has returned.
TEST(KnownWaits, LV10_AnOpenIsAnsweredByOneErrorInWhateverWayItFails) {
  struct Way {
    const char* what;
    const char* host;
    void (*prepare)(SimKernel& sys);
    std::string text;
  };
  const std::string unknown = gai_strerror(EAI_NONAME);
  const std::string later = gai_strerror(EAI_AGAIN);
  const auto nothing = [](SimKernel&) {};
  const std::array ways = {
      Way{"refused", "192.0.2.1", nothing, "Connection refused"},
      Way{"unknown", "unknown", nothing, unknown},
      Way{"no answer", "name", [](SimKernel& sys) { sys.set_host_error("name", EAI_AGAIN); },
          later},
      Way{"no descriptor", "192.0.2.1",
          [](SimKernel& sys) { sys.fail_next(Call::stream_socket, EMFILE); },
          "Too many open files"},
      Way{"no route", "192.0.2.1",
          [](SimKernel& sys) { sys.fail_next(Call::connect, ENETUNREACH); },
          "Network is unreachable"},
      Way{"not watched", "192.0.2.1",
          [](SimKernel& sys) { sys.fail_next(Call::epoll_add, ENOSPC); },
          "No space left on device"},
      Way{"nobody answers", "192.0.2.7",
          [](SimKernel& sys) {
            sys.set_remote(*Endpoint::from_numeric("192.0.2.7", 80), RemoteAnswer::ignore);
          },
          "Connection timed out"},
  };
  for (const Way& way : ways) {
    SCOPED_TRACE(way.what);
    World<SimKernel> world(parse_tuning("connect_timeout_ms=50").value());
    way.prepare(world.sys);
    const std::size_t fds = world.sys.open_fds();
    const SocketId id = world.server->open(kOwner, way.host, 80).value();
    EXPECT_TRUE(world.send(id, "never sent"));
    world.settle();
    world.pass_ms(60);
    EXPECT_EQ(world.story_of(id), "E");
    ASSERT_EQ(world.events.size(), 1U);
    EXPECT_EQ(world.events.front().to, kOwner);
    if (!way.text.empty()) {
      EXPECT_EQ(world.events.front().data.text(), way.text);
    }
    EXPECT_EQ(world.sys.open_fds(), fds);
    EXPECT_EQ(world.server->counts().slots_used, 0U);
    EXPECT_EQ(world.server->counts().payloads_parked, 0U);
    // Nor does anybody who comes later.
    EXPECT_TRUE(world.server->start(kOther, id).has_value());
    EXPECT_TRUE(world.until([&] { return world.count(EventKind::error, id) == 2; }));
    EXPECT_EQ(world.events.back().to, kOther);
  }
}

TYPED_TEST(KnownWaitsOn, LV33_AListenThatFailsReturnsTheReasonAndNothingFollows) {
  World<TypeParam> world;
  const SocketId listener = world.listener();
  world.events.clear();
  const auto taken = world.server->listen(kOwner, "127.0.0.1", world.port);
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error(), std::errc::address_in_use);
  world.settle();
  EXPECT_TRUE(world.events.empty());
  EXPECT_EQ(world.server->counts().slots_used, 1U);
  EXPECT_EQ(world.server->state(listener), State::listening);
}

/// The caller listens, the reactor looks which address that is: the last thing that can fail.
TEST(KnownWaits, LV33_AListenerWhoseAddressCannotBeHadIsOneErrorAndNoOpen) {
  World<SimKernel> world;
  const std::size_t fds = world.sys.open_fds();
  world.sys.fail_next(Call::local_endpoint, ENOBUFS);
  const SocketId id = world.server->listen(kOwner, "127.0.0.1", 0).value();
  EXPECT_TRUE(world.server->start(kOwner, id).has_value());
  world.settle();
  EXPECT_EQ(world.story_of(id), "EE") << "one for the listen, one for the start";
  EXPECT_EQ(world.events.front().data.text(), "No buffer space available");
  EXPECT_EQ(world.events.back().data.text(), "invalid socket");
  EXPECT_EQ(world.sys.open_fds(), fds);
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TEST(KnownWaits, LV33_AListenerThatCannotBeWatchedIsReportedAndClosed) {
  World<SimKernel> world;
  const std::size_t fds = world.sys.open_fds();
  world.sys.fail_next(Call::epoll_add, ENOSPC);
  const SocketId id = world.server->listen(kOwner, "127.0.0.1", 0).value();
  EXPECT_TRUE(world.server->start(kOwner, id).has_value());
  world.settle();
  EXPECT_EQ(world.story_of(id), "OOEC") << "listening, started, then the reason and the end";
  EXPECT_EQ(world.sys.open_fds(), fds);
}

TYPED_TEST(KnownWaitsOn, LV33_ABindThatFailsIsAnErrorOfTheCallOrOneAnswer) {
  World<TypeParam> world;
  EXPECT_EQ(world.server->bind(kOwner, -1).error(), std::errc::bad_file_descriptor);
  const PipeEnds ends = world.sys.make_pipe().value();
  world.keep(ends.write_fd);
  world.sys.close(ends.read_fd);
  const SocketId id = world.server->bind(kOwner, ends.read_fd).value();
  const Event* error = world.wait_for(EventKind::error, id);
  ASSERT_NE(error, nullptr) << "the binder waits for ever";
  EXPECT_EQ(error->to, kOwner);
  EXPECT_EQ(error->data.text(), "Bad file descriptor");
  world.settle();
  EXPECT_EQ(world.story_of(id), "E");
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

// ---- Closing them

/// The state that the close of `id` found, and who heard CLOSE of it.
template <typename Sys>
struct Closing {
  explicit Closing(World<Sys>& world_in) : world(world_in) {
    world.server->observe({.context = this, .on_step = [](void* context, const Step& step) {
                             static_cast<Closing*>(context)->see(step);
                           }});
  }
  ~Closing() { world.server->observe({}); }
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;

  void see(const Step& step) {
    const Input input = step.rule.input;
    const bool close = input == Input::close_flushed || input == Input::close_final ||
                       input == Input::close_pending || input == Input::close_abortive;
    if (close && found == State::free) found = step.rule.from;
  }
  /// "owner", "other?" for the answer that somebody asked for, in the order they came.
  [[nodiscard]] std::vector<std::string> heard(SocketId id) const {
    std::vector<std::string> all;
    for (const Event& event : world.events) {
      if (event.kind != EventKind::close || event.id != id) continue;
      all.push_back(std::string(event.to == kOwner ? "owner" : "other") +
                    (event.ud == 1 ? "?" : ""));
    }
    return all;
  }

  World<Sys>& world;
  State found = State::free;
};

TYPED_TEST(KnownWaitsOn, LV21_ACloseOfAnOpenUnderWayIsTheOpenersOneAnswer) {
  for (const bool resolving : {true, false}) {
    for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
      for (const ServiceHandle closer : {kOwner, kOther}) {
        World<TypeParam> world;
        world.listener();
        Closing<TypeParam> closing(world);
        const char* host = resolving ? "localhost" : "127.0.0.1";
        const SocketId id = world.server->open(kOwner, host, world.port).value();
        world.close(id, mode, closer);
        ASSERT_NE(world.wait_for(EventKind::close, id), nullptr) << "the opener waits for ever";
        world.pass_ms(20);  // The answer of the resolver finds nobody.
        EXPECT_EQ(closing.found, resolving ? State::resolving : State::connecting);
        EXPECT_EQ(closing.heard(id), std::vector<std::string>{"owner"});
        EXPECT_EQ(world.story_of(id), "C");
        EXPECT_EQ(world.server->state(id), State::free);
      }
    }
  }
}

/// The close waits for output whose connection may never be: it is answered all the same, by CLOSE.
TYPED_TEST(KnownWaitsOn, LV21_ACloseThatWaitsForTheOpenIsAnsweredOnceHoweverThatEnds) {
  for (const bool refused : {true, false}) {
    World<TypeParam> world;
    const SocketId listener = world.listener();
    if (refused) {
      world.close(listener);
      ASSERT_NE(world.wait_for(EventKind::close, listener), nullptr);
    }
    Closing<TypeParam> closing(world);
    const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
    EXPECT_TRUE(world.send(id, "last words"));
    world.close(id);
    ASSERT_NE(world.wait_for(EventKind::close, id), nullptr) << "the opener waits for ever";
    world.settle();
    EXPECT_EQ(closing.found, State::connecting);
    EXPECT_EQ(world.story_of(id), "C");
  }
}

/// A socket in each kind of state that somebody may wait in.
template <typename Sys>
SocketId in_state(World<Sys>& world, State state) {
  switch (state) {
    case State::resolving:
      return world.server->open(kOwner, "localhost", 9).value();
    case State::connecting: {
      world.listener();
      return world.server->open(kOwner, "127.0.0.1", world.port).value();
    }
    case State::plisten:
      return world.listener(false);
    case State::listening:
      return world.listener();
    case State::paccept:
      return world.connection(false).id;
    case State::connected:
      return world.connection().id;
    case State::connected_held: {
      const SocketId id = world.connection().id;
      EXPECT_TRUE(world.server->hold(kOwner, id).has_value());
      return id;
    }
    case State::halfclose_read: {
      const auto pair = world.connection();
      EXPECT_TRUE(world.sys.shutdown_write(pair.peer).has_value());
      EXPECT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
      return pair.id;
    }
    case State::draining: {
      const auto pair = world.connection();
      EXPECT_TRUE(world.send(pair.id, std::string(8'000'000, 'd')));
      world.close(pair.id);
      world.settle();
      EXPECT_EQ(world.server->state(pair.id), State::draining);
      return pair.id;
    }
    case State::udp: {
      const SocketId id = world.server->udp(kOwner, "", 0).value();
      EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::udp; }));
      return id;
    }
    default:
      ADD_FAILURE() << "no way to " << to_text(state);
      return 0;
  }
}

/// Two services close at once, and both wait: one owns the socket, the other does not.
TYPED_TEST(KnownWaitsOn, LV35_WhoeverClosesAndWaitsIsAnsweredInEveryState) {
  constexpr std::array kStates = {State::resolving, State::connecting,     State::plisten,
                                  State::listening, State::paccept,        State::connected,
                                  State::udp,       State::connected_held, State::halfclose_read,
                                  State::draining};
  for (const State state : kStates) {
    for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
      SCOPED_TRACE(to_text(state));
      World<TypeParam> world;
      Closing<TypeParam> closing(world);
      const SocketId id = in_state(world, state);
      closing.found = State::free;
      world.events.clear();
      world.close(id, mode, kOther, CloseAnswer::wanted);
      EXPECT_TRUE(world.until([&] { return !closing.heard(id).empty(); })) << "it waits for ever";
      world.settle();
      EXPECT_EQ(closing.found, state);
      // CLOSE was reported at the FIN already; while output waits it is still to come.
      const bool told_before = state == State::halfclose_read;
      const bool told_later = state == State::draining && mode == CloseMode::soft;
      EXPECT_EQ(closing.heard(id), told_before || told_later
                                       ? (std::vector<std::string>{"other?"})
                                       : (std::vector<std::string>{"owner", "other?"}));
    }
  }
}

/// The owner's own CLOSE is its answer: it does not get two, and gets one even if it came too late.
TYPED_TEST(KnownWaitsOn, LV35_AnOwnerWhoClosesAndWaitsIsAnsweredOnce) {
  for (const bool late : {true, false}) {
    World<TypeParam> world(parse_tuning("linger_ms=0").value());
    const auto pair = world.connection();
    Closing<TypeParam> closing(world);
    if (late) {
      world.close(pair.id);
      ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr);
      world.events.clear();
    }
    world.close(pair.id, CloseMode::soft, kOwner, CloseAnswer::wanted);
    ASSERT_NE(world.wait_for(EventKind::close, pair.id), nullptr) << "it waits for ever";
    world.settle();
    EXPECT_EQ(closing.heard(pair.id), std::vector<std::string>{late ? "owner?" : "owner"});
  }
}

}  // namespace
}  // namespace skysock
