// Do the commands measure, and say no to what they cannot measure or what is wrong? Runs the
// program on tiny loads; its figures are not looked at, but for a server made slow on purpose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/settings.hpp"

namespace skysock::bench::compare {
namespace {

using testing::HasSubstr;

struct Ended {
  int exit_code = -1;
  std::string output;  ///< Standard output and standard error.
  nlohmann::json json;
};

/// Runs the shell's `before`, then skysock-bench with these words and --json.
Ended run(const std::string& words, const std::string& before = "") {
  const auto json = std::filesystem::temp_directory_path() /
                    ("compare_program_test." + std::to_string(getpid()) + ".json");
  const std::string command =
      before + own_folder() + "/skysock-bench " + words + " --json " + json.string() + " 2>&1";
  Ended result;
  FILE* pipe = popen(command.c_str(), "r");  // NOLINT(bugprone-command-processor)
  std::array<char, 4096> part{};
  while (std::size_t count = fread(part.data(), 1, part.size(), pipe)) {
    result.output.append(part.data(), count);
  }
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream file(json);
  result.json = nlohmann::json::parse(file, nullptr, false);
  std::filesystem::remove(json);
  return result;
}

/// As `before`: the program and the servers it starts see a kernel that has no io_uring.
std::string without_io_uring() { return own_folder() + "/without_io_uring "; }

constexpr const char* kTiny = "--compare-peers --placement free --rounds 3 --slice 0.01 ";

std::string tiny_server(const std::string& options) {
  return "--only mine --server 'mine=" + own_folder() + "/tiny_echo_server " + options + "' ";
}

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

TEST(ComparePeers, AServerMadeSlowOnPurposeIsSeen) {
  const Ended done = run(kTiny + tiny_server("--spin 100000") + "--scenario echo_1x64B");
  ASSERT_EQ(done.exit_code, 0) << done.output;
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
