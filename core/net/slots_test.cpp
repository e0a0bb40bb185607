// Is the number of sockets what the tuning says, from two to a million, and do ids go on being
// right when their generations come round?

#include <gtest/gtest.h>

#include <set>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

/// Ids that wait for the resolver take a slot and no descriptor.
SocketId waiting(World<SimKernel>& world) {
  return world.server->open(kOwner, "name", 80).value_or(0);
}

TEST(Slots, AsManySocketsAsTheTuningSays) {
  for (const std::size_t slots : {2U, 3U, 1'000U, 65'536U}) {
    World<SimKernel> world(parse_tuning("slots=" + std::to_string(slots)).value());
    world.sys.hold_answers(true);
    std::set<SocketId> ids;
    for (std::size_t count = 0; count < slots; ++count) {
      ASSERT_TRUE(ids.insert(waiting(world)).second);
      if (count % 1'000 == 0) world.server->poll(0);
    }
    EXPECT_GT(*ids.begin(), 0);
    EXPECT_EQ(world.server->open(kOwner, "name", 80).error(),
              std::errc::too_many_files_open_in_system);
    EXPECT_EQ(world.server->counts().slots_used, slots);
    world.close(*ids.begin());
    ASSERT_NE(world.wait_for(EventKind::close, *ids.begin()), nullptr);
    EXPECT_GT(waiting(world), 0) << "a slot is free again";
  }
}

TEST(Slots, AMillionSlotsWorkAsTwoDo) {
  World<LinuxSys> world(parse_tuning("slots=1048576").value());
  const auto pair = world.connection();
  world.peer_send(pair.peer, "ping");
  EXPECT_TRUE(world.until([&] { return world.data_of(pair.id) == "ping"; }));
  ASSERT_TRUE(world.send(pair.id, "pong"));
  EXPECT_EQ(world.peer_read(pair.peer, 4).text, "pong");
  EXPECT_EQ(world.netstat().size(), 2U);
}

/// All slots but the one with index 0 are taken, so that it goes through all of its 32,767
/// generations.
TEST(Slots, SocketsGoOnBeingRightWhenTheirIdsWrap) {
  World<SimKernel> world(parse_tuning("slots=65536").value());
  world.sys.hold_answers(true);
  SocketId before = waiting(world);
  for (std::size_t count = 1; count < 65'536; ++count) {
    ASSERT_GT(waiting(world), 0);
    if (count % 1'000 == 0) world.server->poll(0);
  }
  world.close(before);
  ASSERT_NE(world.wait_for(EventKind::close, before), nullptr);
  world.events.clear();
  std::size_t wraps = 0;
  for (std::size_t turn = 0; turn < 33'000; ++turn) {
    const SocketId id = waiting(world);
    ASSERT_GT(id, 0);
    if (id < before) ++wraps;
    world.close(id, CloseMode::abortive);
    world.close(before, CloseMode::abortive);  // Stale: must end nothing.
    world.server->poll(0);
    ASSERT_EQ(world.server->state(id), State::free);
    ASSERT_EQ(world.story_of(id), "C");
    world.events.clear();
    before = id;
  }
  EXPECT_EQ(wraps, 1U);
  EXPECT_EQ(world.server->counts().slots_used, 65'535U);
}

}  // namespace
}  // namespace skysock
