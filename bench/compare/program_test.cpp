// Do the commands beside --compare-peers measure, and say no to what they cannot measure or what is
// wrong? Runs the program on tiny loads; its figures are not looked at.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/compare/run_program.hpp"

namespace skysock::bench::compare {
namespace {

using testing::HasSubstr;

TEST(Syscalls, OfThePlainServerAreThreePerMessage) {
  const Ended done =
      run("--syscalls --placement free --only plain_epoll --scenario echo_1x64B "
          "--operations 300");
  if (done.exit_code == 6) GTEST_SKIP() << done.output;
  ASSERT_EQ(done.exit_code, 0) << done.output;
  const auto& server = done.json["scenarios"][0]["servers"][0];
  EXPECT_NEAR(server["calls_per_operation"].get<double>(), 3.0, 0.05) << done.output;
  EXPECT_NEAR(server["calls"]["sendto"].get<double>(), 300, 1);
}

TEST(Syscalls, AreCountedInEveryKindOfScenario) {
  // One call that has to be made for every operation; a read or a write can be for many.
  struct Expected {
    const char* scenario;
    const char* call;
    double least;
    double most;
  };
  constexpr Expected kExpected[] = {
      {"accept_rst_close", "close", 1, 1.01},   {"accept_burst", "close", 1, 1.01},
      {"connect_out", "connect", 1, 1.1},       {"udp_echo_64x64B", "sendto", 1, 1.01},
      {"ingest_64x64B", "recvfrom", 0.01, 1},   {"broadcast_100x64B", "sendto", 1, 1.01},
      {"blast_fast", "sendto", 0.05, 4},        {"blast_slow", "sendto", 0.05, 4},
      {"open_loop_50", "recvfrom", 0.05, 2.01}, {"echo_64x64B_depth16", "sendto", 0.05, 1.01}};
  std::string names;
  for (const Expected& expected : kExpected) {
    names += (names.empty() ? "" : ",") + std::string(expected.scenario);
  }
  const Ended done =
      run("--syscalls --placement free --only plain_epoll --operations 400 --scenario " + names);
  if (done.exit_code == 6) GTEST_SKIP() << done.output;
  ASSERT_EQ(done.exit_code, 0) << done.output;
  ASSERT_EQ(done.json["scenarios"].size(), std::size(kExpected));
  for (std::size_t at = 0; at < std::size(kExpected); ++at) {
    const Expected& expected = kExpected[at];
    const auto& server = done.json["scenarios"][at]["servers"][0];
    const double made =
        server["calls"].value(expected.call, 0.0) / server["operations"].get<double>();
    EXPECT_GE(made, expected.least * 0.99) << expected.scenario << done.output;
    EXPECT_LE(made, expected.most) << expected.scenario << done.output;
  }
}

TEST(Syscalls, AGateNeedsAServerWithABudget) {
  const Ended done = run("--syscalls --placement free --gate --only plain_epoll");
  EXPECT_EQ(done.exit_code, 6);
  EXPECT_THAT(done.output, HasSubstr("--gate: expected skysock_workers0 or skysock_uring"));
}

TEST(Syscalls, WithoutStraceItSaysSo) {
  const Ended done =
      run("--syscalls --placement free --only plain_epoll --scenario echo_1x64B "
          "--operations 10",
          "PATH=/nowhere ");
  EXPECT_EQ(done.exit_code, 6);
  EXPECT_THAT(done.output, HasSubstr("it is in the package strace"));
}

TEST(Syscalls, AScenarioWithoutOperationsIsRefused) {
  const Ended done = run("--syscalls --scenario held_idle");
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.output, HasSubstr("'held_idle': expected one with operations"));
}

TEST(Memory, IsMeasuredForEveryNumberOfConnections) {
  const Ended done = run("--memory --placement free --connections 10,200");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  ASSERT_EQ(done.json["tables"].size(), 2U);
  EXPECT_EQ(done.json["tables"][1]["connections"], 200);
  for (const auto& server : done.json["tables"][1]["servers"]) {
    EXPECT_GE(server["rss_held_bytes"], server["rss_before_bytes"]);
    EXPECT_GT(server["rss_before_bytes"], 0);
  }
  EXPECT_GT(done.json["tables"][1]["slot_bytes"], 64);
}

TEST(Memory, AServerThatDropsItsConnectionsIsAnError) {
  const Ended done = run("--memory --placement free --connections 10 " +
                         tiny_server("--flaw close_early --flaw-at 2"));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.output, HasSubstr("server mine, 10 connections"));
}

TEST(ControlPackets, EveryChannelCarriesEveryPacket) {
  const Ended done = run("--control-packets --placement free --rounds 3 --packets 2000");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  EXPECT_EQ(done.json["kind"], "control_packets");
  ASSERT_EQ(done.json["channels"].size(), 3U);
  EXPECT_EQ(done.json["channels"][0]["name"], "bare_pipe");
  for (const auto& channel : done.json["channels"]) {
    EXPECT_EQ(channel["ns_per_packet"].size(), 3U);
    EXPECT_GT(channel["ns_per_packet_p10"], 0);
  }
  const auto& pipe = done.json["channels"][1];
  EXPECT_GT(pipe["reads_per_packet_of_backlog"], 0) << "the pipe is read at all";
  EXPECT_LE(pipe["reads_per_packet_of_backlog"], 0.02);
  EXPECT_EQ(done.json["channels"][2]["reads_per_packet_of_backlog"], 0);
}

TEST(ControlPackets, ServersAreNotItsBusiness) {
  EXPECT_EQ(run("--control-packets --only skysock_lua").exit_code, 2);
  EXPECT_EQ(run("--control-packets --packets 0").exit_code, 2);
}

TEST(Commands, EveryHelpEndsWithExitCodesAndAnExample) {
  for (const std::string command :
       {"--compare-peers", "--syscalls", "--memory", "--control-packets"}) {
    const Ended done = run(command + " --help");
    EXPECT_EQ(done.exit_code, 0);
    EXPECT_THAT(done.output, HasSubstr("Exit codes: 0 "));
    EXPECT_THAT(done.output, HasSubstr("Example: skysock-bench " + command));
  }
}

}  // namespace
}  // namespace skysock::bench::compare
