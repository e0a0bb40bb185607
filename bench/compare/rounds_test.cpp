// Does every server get its slice in every round, in changing order, while all others stand still?

#include "bench/compare/rounds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "bench/server_process.hpp"
#include "bench/settings.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;

/// A lane that only notes whether it runs.
struct FakeLane {
  bool running = false;
  bool refuses_to_pause = false;

  Outcome<void> resume() {
    EXPECT_FALSE(std::exchange(running, true));
    return {};
  }
  Outcome<void> pause() {
    EXPECT_TRUE(std::exchange(running, false));
    if (refuses_to_pause) return std::unexpected("does not pause");
    return {};
  }
};

using Orders = std::vector<std::vector<std::size_t>>;

/// The order of the slices in every round; expects that only the lane in turn runs.
Orders orders(std::size_t count, unsigned rounds, std::uint64_t seed) {
  std::vector<FakeLane> lanes(count);
  Orders result(rounds);
  std::vector<std::size_t> order;
  const auto slice = [&](std::size_t index) -> Outcome<void> {
    for (std::size_t at = 0; at < count; ++at) EXPECT_EQ(lanes[at].running, at == index);
    order.push_back(index);
    return {};
  };
  const auto after = [&](unsigned round, std::size_t position) {
    EXPECT_TRUE(std::ranges::none_of(lanes, &FakeLane::running));
    EXPECT_EQ(position, order.size());
    if (position == count) result[round] = std::exchange(order, {});
  };
  EXPECT_TRUE(run_rounds(lanes, rounds, seed, slice, after));
  return result;
}

TEST(Rounds, EveryLaneHasOneSlicePerRound) {
  for (auto order : orders(4, 20, 7)) {
    std::ranges::sort(order);
    EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3}));
  }
}

TEST(Rounds, TheOrderComesFromTheSeed) {
  EXPECT_EQ(orders(4, 20, 7), orders(4, 20, 7));
  EXPECT_NE(orders(4, 20, 7), orders(4, 20, 8));
}

TEST(Rounds, EveryOrderComesUp) {
  const Orders all = orders(3, 200, 1);
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), 6U);
}

TEST(Rounds, AFailedSliceEndsThemAll) {
  std::vector<FakeLane> lanes(3);
  int slices = 0;
  const auto slice = [&](std::size_t) -> Outcome<void> {
    if (++slices == 2) return std::unexpected("wrong answer");
    return {};
  };
  const auto done = run_rounds(lanes, 5, 1, slice, [](unsigned, std::size_t) {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), "wrong answer");
  EXPECT_EQ(slices, 2);
}

TEST(Rounds, AServerThatDoesNotPauseIsAnError) {
  std::vector<FakeLane> lanes(2);
  lanes[1].refuses_to_pause = true;
  const auto done = run_rounds(
      lanes, 5, 1, [](std::size_t) { return Outcome<void>(); }, [](unsigned, std::size_t) {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), "does not pause");
}

TEST(Rounds, OfRealProcessesOnlyTheOneInTurnRuns) {
  std::vector<ServerProcess> servers;
  servers.reserve(3);
  for (int count = 0; count < 3; ++count) {
    auto server = ServerProcess::start({own_folder() + "/raw_epoll_server", "127.0.0.1", "0"}, {});
    ASSERT_TRUE(server) << server.error();
    ASSERT_TRUE(server->pause());
    servers.push_back(std::move(*server));
  }
  const auto slice = [&](std::size_t index) -> Outcome<void> {
    for (std::size_t at = 0; at < servers.size(); ++at) {
      EXPECT_EQ(servers[at].paused(), at != index);
    }
    return {};
  };
  EXPECT_TRUE(run_rounds(servers, 5, 1, slice, [](unsigned, std::size_t) {}));
  for (ServerProcess& server : servers) EXPECT_TRUE(server.stop());
}

}  // namespace
}  // namespace skysock::bench::compare
