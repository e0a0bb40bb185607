// Does --compare-peers measure every kind of scenario, and say no to what it cannot measure or what
// is wrong? Its figures are not looked at, but for a server made slow or stopped on purpose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/compare/run_program.hpp"

namespace skysock::bench::compare {
namespace {

using testing::HasSubstr;

TEST(ComparePeers, MeasuresEveryServerInEveryScenario) {
  const Ended done = run(std::string(kTiny) + "--scenario echo_64x64B,accept_echo1_close");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  EXPECT_EQ(done.json["kind"], "compare_peers");
  EXPECT_EQ(done.json["facts"]["placement"], "free");
  ASSERT_EQ(done.json["scenarios"].size(), 2U);
  for (const auto& scenario : done.json["scenarios"]) {
    ASSERT_GE(scenario["servers"].size(), 3U);
    EXPECT_EQ(scenario["servers"][0]["name"], "plain_epoll");
    EXPECT_EQ(scenario["servers"][0]["ratio_to_plain_epoll"]["of_p10"], 1.0);
    for (const auto& server : scenario["servers"]) {
      EXPECT_EQ(server["slices"].size(), 3U);
      EXPECT_GT(server["cpu_us_per_operation_p10"], 0);
      for (const auto& slice : server["slices"]) EXPECT_GT(slice["operations"], 0);
    }
  }
}

/// Measures these scenarios with two servers, and expects figures of all.
void expect_figures(const std::string& scenarios) {
  const Ended done = run(kTiny + ("--only skysock_workers0 --scenario " + scenarios));
  ASSERT_EQ(done.exit_code, 0) << done.output;
  for (const auto& scenario : done.json["scenarios"]) {
    ASSERT_EQ(scenario["servers"].size(), 2U);
    for (const auto& server : scenario["servers"]) {
      EXPECT_GT(server["operations_per_second_median"], 0) << scenario["name"];
      EXPECT_EQ(server["slices"].size(), 3U);
    }
  }
}

TEST(ComparePeers, MeasuresPipelines) { expect_figures("echo_64x64B_depth16"); }
TEST(ComparePeers, MeasuresEveryWayToEndAConnection) {
  expect_figures("accept_rst_close,accept_burst");
}
TEST(ComparePeers, MeasuresStreamsToTheServer) { expect_figures("ingest_64x64B"); }
TEST(ComparePeers, MeasuresStreamsFromTheServer) { expect_figures("blast_fast,blast_slow"); }
TEST(ComparePeers, MeasuresDatagrams) { expect_figures("udp_echo_64x64B"); }
TEST(ComparePeers, MeasuresConnectionsThatTheServerMakes) { expect_figures("connect_out"); }

TEST(ComparePeers, HoldsConnectionsThatSayNothing) {
  const Ended done =
      run("--compare-peers --placement free --rounds 1 --slice 0.1 --no-syscalls "
          "--only skysock_workers0 --scenario held_idle");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  for (const auto& server : done.json["scenarios"][0]["servers"]) {
    EXPECT_GE(server["slices"][0]["wall_s"], 0.1) << server;
    EXPECT_EQ(server["slices"][0]["operations"], 0);
    EXPECT_TRUE(server["ratio_to_plain_epoll"].is_null()) << server;
    EXPECT_GT(server["rss_bytes_per_connection"], 0) << server;
  }
}

TEST(ComparePeers, MeasuresABroadcastAndHowLongNewcomersWaitMeanwhile) {
  const Ended done =
      run("--compare-peers --placement free --rounds 3 --slice 0.05 --no-syscalls "
          "--only skysock_workers0 --scenario broadcast_100x64B");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  for (const auto& server : done.json["scenarios"][0]["servers"]) {
    EXPECT_GT(server["accept_latency_us"]["samples"], 0) << done.output;
    EXPECT_GT(server["latency_us"]["p50"], 0);
  }
}

TEST(ComparePeers, AnOpenLoopShowsAStallThatWasMadeOnPurpose) {
  const Ended done =
      run("--compare-peers --placement free --rounds 3 --slice 0.5 --no-syscalls "
          "--only plain_epoll --scenario open_loop_50 --rate 2000 --stall 200");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  const auto& server = done.json["scenarios"][0]["servers"][0];
  EXPECT_EQ(server["intended_operations_per_second"], 2'000);
  EXPECT_NEAR(server["latency_us"]["samples"].get<double>(), 3'000, 30);
  EXPECT_GT(server["latency_us"]["p99_9"], 150'000) << done.output;
  EXPECT_LT(server["latency_us"]["p50"], 100'000) << done.output;
  EXPECT_EQ(done.json["stall_ms"], 200);
}

TEST(ComparePeers, TheFirstServersPeakIsTheRateOfAnOpenLoopForAll) {
  const Ended done =
      run(kTiny + std::string("--only plain_epoll,skysock_workers1 --scenario open_loop_50"));
  ASSERT_EQ(done.exit_code, 0) << done.output;
  const auto& servers = done.json["scenarios"][0]["servers"];
  ASSERT_EQ(servers.size(), 2);
  const double rate = servers[0]["intended_operations_per_second"];
  EXPECT_GT(rate, 100);
  EXPECT_EQ(servers[1]["intended_operations_per_second"], rate);
  EXPECT_GT(servers[1]["lateness_us"]["samples"], 0);
}

TEST(ComparePeers, CountsSystemCallsByName) {
  const std::string words =
      "--compare-peers --placement free --rounds 1 --slice 0.01 --only plain_epoll --scenario "
      "echo_1x64B";
  const Ended done = run(words);
  ASSERT_EQ(done.exit_code, 0) << done.output;
  if (done.json.contains("syscalls_not_counted")) GTEST_SKIP() << done.output;
  const auto& server = done.json["scenarios"][0]["servers"][0];
  std::uint64_t timed = 0;
  for (const auto& slice : server["slices"]) timed += slice["operations"].get<std::uint64_t>();
  EXPECT_EQ(server["latency_us"]["samples"], timed) << "nothing under strace is timed";
  const auto& calls = server["syscalls_per_operation"];
  EXPECT_NEAR(calls["total"].get<double>(), 3.0, 0.05);
  EXPECT_NEAR(calls["sendto"].get<double>(), 1.0, 0.01);
  EXPECT_THAT(done.output, HasSubstr("echo_1x64B: calls per message, 2000 messages"));
  const Ended without = run(words, "PATH=/nowhere ");
  EXPECT_EQ(without.exit_code, 0);
  EXPECT_THAT(without.output, HasSubstr("system calls are not counted: strace cannot attach"));
  EXPECT_FALSE(without.json["scenarios"][0]["servers"][0].contains("syscalls_per_operation"));
}

TEST(ComparePeers, ARecordSaysWhetherTheMachineWasBusyAndCanDoWithoutSlices) {
  const Ended done =
      run(std::string(kTiny) + "--only plain_epoll --scenario echo_1x64B --no-slices");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  EXPECT_TRUE(done.json["busy"].is_array());
  EXPECT_EQ(done.output.find("the machine was busy") != std::string::npos,
            !done.json["busy"].empty());
  EXPECT_GE(done.json["stolen_share"], 0);
  EXPECT_GT(done.json["took_s"], 0.03);
  EXPECT_FALSE(done.json["scenarios"][0]["servers"][0].contains("slices"));
}

TEST(ComparePeers, AServerThatOnlyEchoesIsLeftOutOfOtherModes) {
  const std::string program = own_folder() + "/raw_epoll_server 127.0.0.1 0";
  const Ended done = run(std::string(kTiny) + "--scenario echo_1x64B,ingest_64x64B" +
                         " --only echoes,all --server 'echoes=" + program +
                         "' --server 'all=" + program + " --mode {mode}'");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  EXPECT_THAT(done.output, HasSubstr("echoes is left out of 1 of "));
  EXPECT_EQ(done.json["only_in_echo"], nlohmann::json({"echoes"}));
  EXPECT_EQ(done.json["scenarios"][0]["servers"].size(), 3U);
  const auto& servers = done.json["scenarios"][1]["servers"];
  ASSERT_EQ(servers.size(), 2U);
  EXPECT_EQ(servers[1]["name"], "all");
}

TEST(ComparePeers, AServerMadeSlowOnPurposeIsSeen) {
  const Ended done = run(kTiny + tiny_server("--spin 100000") + "--scenario echo_1x64B");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  EXPECT_EQ(done.json["complete"], true);
  const auto& slow = done.json["scenarios"][0]["servers"][1];
  EXPECT_EQ(slow["name"], "mine");
  EXPECT_GT(slow["ratio_to_plain_epoll"]["of_p10"], 1.5) << done.output;
  EXPECT_GT(slow["ratio_to_plain_epoll"]["pairs_p25"], 1.5) << done.output;
}

TEST(ComparePeers, AWrongAnswerIsAnErrorThatNamesServerAndScenario) {
  const Ended done = run(kTiny + tiny_server("--flaw flip_byte") + "--scenario echo_1x64B");
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.output, HasSubstr("echo_1x64B, server mine: connection 0, message 2, byte 63"));
}

TEST(ComparePeers, WhatWasMeasuredBeforeAnErrorIsKept) {
  // Each connection of the first scenario is answered once only, before the flaw.
  const Ended done =
      run(kTiny + tiny_server("--flaw flip_byte") + "--scenario accept_echo1_close,echo_1x64B");
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.json["complete"], false);
  ASSERT_EQ(done.json["scenarios"].size(), 1U) << done.output;
  EXPECT_EQ(done.json["scenarios"][0]["servers"][1]["slices"].size(), 3U);
}

TEST(ComparePeers, AServerThatCrashesIsAnError) {
  const Ended done = run(kTiny + tiny_server("--flaw crash") + "--scenario echo_1x64B");
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.output, HasSubstr("server mine: "));
}

TEST(ComparePeers, AForeignServerIsToldItsPort) {
  const Ended done =
      run(std::string(kTiny) + "--scenario echo_1x64B --only mine --peer 'mine=" + own_folder() +
          "/raw_epoll_server 127.0.0.1 {port}'");
  EXPECT_EQ(done.exit_code, 0) << done.output;
}

TEST(ComparePeers, WithoutIoUringItsServersAreLeftOutAndTheOthersAreMeasured) {
  const Ended done = run(std::string(kTiny) + "--scenario echo_1x64B", without_io_uring());
  ASSERT_EQ(done.exit_code, 0) << done.output;
  constexpr const char* kWhy = "is left out: raw_uring: io_uring_setup: Function not implemented";
  EXPECT_THAT(done.output, HasSubstr(std::string("skysock-bench: plain_uring ") + kWhy));
  EXPECT_THAT(done.output, HasSubstr(std::string("skysock-bench: skysock_uring ") + kWhy));
  ASSERT_EQ(done.json["left_out"].size(), 2U);
  EXPECT_EQ(done.json["left_out"][0]["name"], "plain_uring");
  EXPECT_THAT(done.json["left_out"][0]["because"].get<std::string>(), HasSubstr("Linux 6.1"));
  const auto& servers = done.json["scenarios"][0]["servers"];
  ASSERT_EQ(servers.size(), 7U);
  for (const auto& server : servers) EXPECT_NE(server["name"], "plain_uring");
}

TEST(ComparePeers, WithoutIoUringNothingIsLeftOfItsServers) {
  const Ended done =
      run(std::string(kTiny) + "--scenario echo_1x64B --only plain_uring", without_io_uring());
  EXPECT_EQ(done.exit_code, 6);
  EXPECT_THAT(done.output, HasSubstr("--only 'plain_uring': none of them can run"));
}

TEST(ComparePeers, WrongWordsAreNamed) {
  const auto refused = [](const std::string& words, const char* text) {
    const Ended done = run("--compare-peers " + words);
    EXPECT_EQ(done.exit_code, 2);
    EXPECT_THAT(done.output, HasSubstr(text));
  };
  refused("--scenario moon", "scenario 'moon': expected one of");
  refused("--only moon", "--only 'moon': expected one of plain_epoll");
  refused("--rounds 0", "--rounds");
  refused("--slice soon", "--slice");
  refused("--stall 100 --scenario echo_1x64B",
          "--stall: expected an open loop among the scenarios");
  refused("--rate 100 --scenario echo_1x64B", "--rate: expected an open loop among the scenarios");
  refused("--rate 0 --scenario open_loop_50", "--rate");
  refused("--server moon", "--server 'moon': expected 'NAME=COMMAND'");
  refused("--peer moon=x", "with {port}");
  refused("--only skysock_lua --server 'mine=x'",
          "--only 'skysock_lua': leaves out server 'mine' of --server or --peer");
  refused("--placement moon", "expected same-cpu");
  refused("--json /no/such/folder/file", "");
}

TEST(ComparePeers, TooFewOpenFilesAreSaidBeforeAnythingStarts) {
  const Ended done =
      run("--compare-peers --placement free --scenario echo_1000x64B", "ulimit -n 500; ");
  EXPECT_EQ(done.exit_code, 6);
  EXPECT_THAT(done.output, HasSubstr("1000 connections need 1100 open files"));
}

}  // namespace
}  // namespace skysock::bench::compare
