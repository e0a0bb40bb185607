// Is what is asked of the reactor past the control channel done in time: behind the packets that
// the asker sent before, but not behind all that others send?

#include <gtest/gtest.h>

#include <future>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

/// Somebody who sends as fast as the reactor reads: each packet is followed by another, until a
/// test would never end. On the reactor's own thread: there is always room for the next one.
template <Syscalls Sys>
class Flood {
 public:
  static constexpr std::size_t kPacketsMax = 200'000;

  explicit Flood(World<Sys>& world) : world_(world) {
    world_.server->observe({.context = this, .on_step = [](void* flood, const Step& step) {
                              if (step.id == kNobody) static_cast<Flood*>(flood)->send();
                            }});
    for (int packet = 0; packet < 100; ++packet) send();
  }
  ~Flood() { world_.server->observe({}); }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  [[nodiscard]] std::size_t sent() const { return sent_; }

 private:
  static constexpr SocketId kNobody = INT32_MAX;

  void send() {
    if (sent_ == kPacketsMax) return;
    ++sent_;
    ASSERT_TRUE(world_.server->inject(encode(ArmWritePacket{.id = kNobody}).bytes()).has_value());
  }

  World<Sys>& world_;
  std::size_t sent_ = 0;
};

template <typename Sys>
class InboxOn : public testing::Test {};
TYPED_TEST_SUITE(InboxOn, TestKernels, KernelNames);

TYPED_TEST(InboxOn, AFloodOfPacketsDoesNotKeepTheSocketsOfAnEndedService) {
  World<TypeParam> world;
  const auto pair = world.connection();
  Flood<TypeParam> flood(world);
  ASSERT_TRUE(world.server->send(pair.id, Block::copy_of("last words"), Priority::low).has_value());
  world.server->owner_gone(kOwner);
  ASSERT_TRUE(world.until([&] { return world.server->state(pair.listener) == State::free; }));
  EXPECT_LT(flood.sent(), Flood<TypeParam>::kPacketsMax) << "it waited for the end of the flood";
  const auto received = world.peer_read(pair.peer);
  EXPECT_EQ(received.text, "last words") << "what the service sent before comes first";
  EXPECT_TRUE(received.eof);
}

TYPED_TEST(InboxOn, AFloodOfPacketsDoesNotKeepTheAnswerOfTheResolver) {
  World<TypeParam> world;
  world.listener();
  if constexpr (std::is_same_v<TypeParam, SimKernel>) {
    world.sys.set_host("localhost", {*Endpoint::from_numeric("127.0.0.1", world.port)});
  }
  Flood<TypeParam> flood(world);
  const SocketId id = world.server->open(kOwner, "localhost", world.port).value();
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  EXPECT_LT(flood.sent(), Flood<TypeParam>::kPacketsMax) << "it waited for the end of the flood";
}

TYPED_TEST(InboxOn, AFloodOfPacketsDoesNotKeepAReadyConnection) {
  World<TypeParam> world;
  const auto pair = world.connection();
  Flood<TypeParam> flood(world);
  world.server->owner_gone(kOther);  // Somebody else's end is no reason, either.
  world.peer_send(pair.peer, "read me");
  ASSERT_NE(world.wait_for(EventKind::data, pair.id), nullptr);
  EXPECT_LT(flood.sent(), Flood<TypeParam>::kPacketsMax) << "it waited for the end of the flood";
}

TYPED_TEST(InboxOn, ServicesThatEndTogetherLeaveNothing) {
  World<TypeParam> world(parse_tuning("slots=256").value());
  const SocketId listener = world.listener();
  std::vector<SocketId> ids;
  for (ServiceHandle owner = 100; owner < 150; ++owner) {
    for (int socket = 0; socket < 3; ++socket) {
      ids.push_back(world.server->udp(owner, "127.0.0.1", 0).value());
    }
  }
  world.settle();
  for (ServiceHandle owner = 100; owner < 150; owner += 2) world.server->owner_gone(owner);
  world.settle();
  for (std::size_t at = 0; at < ids.size(); ++at) {
    const bool ended = (at / 3) % 2 == 0;
    EXPECT_EQ(world.server->state(ids[at]), ended ? State::free : State::udp) << at;
  }
  EXPECT_EQ(world.server->state(listener), State::listening);
}

TEST(Inbox, TheSocketsOfAnEndedServiceAreFoundAmongManySlots) {
  World<SimKernel> world(parse_tuning("slots=65536").value());
  constexpr int kSlotsUsedBefore = 40'000;
  for (int used = 0; used < kSlotsUsedBefore; ++used) {
    world.close(world.server->udp(kOther, "127.0.0.1", 0).value(), CloseMode::abortive);
    if (used % 100 == 0) world.server->poll(0);
  }
  world.settle();
  const SocketId first = world.server->udp(kOwner, "127.0.0.1", 0).value();
  const SocketId second = world.server->udp(kOther, "127.0.0.1", 0).value();
  world.settle();
  // The second service ends while the slots are looked at for the first.
  world.server->owner_gone(kOwner);
  world.server->poll(0);
  EXPECT_EQ(world.server->state(first), State::udp) << "one look was enough: nothing is proved";
  world.server->owner_gone(kOther);
  world.settle();
  EXPECT_EQ(world.server->state(first), State::free);
  EXPECT_EQ(world.server->state(second), State::free);
}

/// A service that acts on each answer, on the reactor's thread, more often than one poll allows.
TEST(Inbox, TheReactorDoesNotSleepWhileServicesHaveMoreToSay) {
  constexpr std::size_t kAnswers = 2'000;
  World<LinuxSys>* here = nullptr;
  std::size_t answered = 0;
  World<LinuxSys> world({}, [&] {
    for (; answered < here->events.size(); ++answered) {
      if (answered >= kAnswers) return;
      ASSERT_TRUE(here->server->start(kOwner, 999'999).has_value());
    }
  });
  here = &world;
  ASSERT_TRUE(world.server->start(kOwner, 999'999).has_value());
  const std::int64_t begin_ms = world.sys.now_ms();
  while (answered < kAnswers && world.sys.now_ms() - begin_ms < 10'000) world.server->poll(5'000);
  EXPECT_GE(answered, kAnswers);
  EXPECT_LT(world.sys.now_ms() - begin_ms, 4'000) << "it slept";
}

/// Only a real kernel has threads.
TEST(Inbox, AFloodOfPacketsDoesNotKeepWhoAsksForNetstat) {
  World<LinuxSys> world;
  world.connection();
  Flood<LinuxSys> flood(world);
  auto asked = std::async(std::launch::async, [&] { return world.server->netstat(); });
  const auto answered = [&] {
    return asked.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  ASSERT_TRUE(world.until(answered));
  EXPECT_LT(flood.sent(), Flood<LinuxSys>::kPacketsMax) << "it waited for the end of the flood";
  EXPECT_EQ(asked.get().size(), 2U);
}

}  // namespace
}  // namespace skysock
