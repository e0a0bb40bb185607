// Do the small parts of the comparing commands read and print what they should: names of servers
// and scenarios, strace's summary, /proc, budgets, progress?

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "bench/compare/call_table.hpp"
#include "bench/compare/load_thread.hpp"
#include "bench/compare/memory_table.hpp"
#include "bench/compare/peers.hpp"
#include "bench/compare/progress.hpp"

namespace skysock::bench::compare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(Scenario, TheListIsChosenByNameAndTheUnknownOneIsNamed) {
  const auto two = choose_scenarios("held_idle,echo_1x64B");
  ASSERT_TRUE(two) << two.error();
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ(two->at(1).name, std::string("echo_1x64B"));
  EXPECT_EQ(choose_scenarios("", true)->size(), scenarios().size());
  const auto unknown = choose_scenarios("echo_1x64B,moon");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error(), HasSubstr("scenario 'moon': expected one of echo_64x64B, "));
}

TEST(Scenario, NamesAreDifferentAndOnlyTheSmallSetIsDefault) {
  std::set<std::string> names;
  std::set<LoadKind> kinds;
  for (const Scenario& scenario : scenarios()) {
    EXPECT_TRUE(names.insert(scenario.name).second) << scenario.name;
    if (!scenario.full) kinds.insert(scenario.kind);
    EXPECT_LE(scenario.connections, 10'000U);
  }
  EXPECT_EQ(kinds.size(), 12U) << "every kind of load is in the default set";
  EXPECT_LE(choose_scenarios("")->size(), 20U);
  EXPECT_TRUE(names.contains("echo_1000x1KiB"));
  EXPECT_TRUE(names.contains("echo_10000x16B_depth16"));
  EXPECT_FALSE(names.contains("echo_10000x64KiB_depth16")) << "10 GB in flight";
  const auto deep = choose_scenarios("echo_64x16KiB_depth16");
  ASSERT_TRUE(deep) << deep.error();
  EXPECT_EQ(deep->front().bytes, 16'384U);
  EXPECT_EQ(deep->front().depth, 16U);
}

TEST(Peers, AreToldTheModeOfTheScenario) {
  const auto peers = default_peers("/src");
  EXPECT_THAT(argv_in(peers.front(), "broadcast"),
              ElementsAre(HasSubstr("/raw_epoll_server"), "--mode", "broadcast", "127.0.0.1", "0"));
  EXPECT_THAT(argv_in(peers.back(), "echo"), testing::Contains("/src/lua/examples/echo.lua"));
  EXPECT_THAT(argv_in(peers.back(), "udp_echo"),
              testing::Contains("/src/lua/examples/udp_echo.lua"));
  EXPECT_THAT(argv_in(peers.back(), "sink"), testing::Contains("/src/bench/servers/sink.lua"));
  for (const Peer& peer : peers) EXPECT_TRUE(takes_part(peer, "sink")) << peer.name;
}

TEST(Peers, AForeignServerTakesPartInAllModesThatItsCommandCanBeToldOf) {
  const auto echo = parse_server("mine=/opt/server");
  ASSERT_TRUE(echo) << echo.error();
  EXPECT_TRUE(takes_part(*echo, "echo"));
  EXPECT_FALSE(takes_part(*echo, "sink"));
  const auto all = parse_server("mine=/opt/server --mode {mode}");
  ASSERT_TRUE(all) << all.error();
  EXPECT_TRUE(takes_part(*all, "sink"));
  EXPECT_TRUE(takes_part(*all, "udp_echo"));
  EXPECT_EQ(argv_in(*all, "sink").back(), "exec /opt/server --mode sink");
  const auto told = parse_peer("mine=/opt/server {mode} {port}");
  ASSERT_TRUE(told) << told.error();
  EXPECT_TRUE(takes_part(*told, "sink"));
  EXPECT_FALSE(takes_part(*told, "udp_echo")) << "it is ready when it accepts";
}

TEST(Peers, AServerIsAShellCommandThatTheShellBecomes) {
  const auto server = parse_server("mine=/opt/server --port 0");
  ASSERT_TRUE(server) << server.error();
  EXPECT_EQ(server->name, "mine");
  EXPECT_THAT(server->argv, ElementsAre("/bin/sh", "-c", "exec /opt/server --port 0"));
}

TEST(Peers, AForeignServerIsToldAFreePortWhereverItsCommandSaysSo) {
  const auto peer = parse_peer("mine=/opt/server {port} {port}");
  ASSERT_TRUE(peer) << peer.error();
  ASSERT_NE(peer->port, 0);
  const std::string port = std::to_string(peer->port);
  EXPECT_EQ(peer->argv.back(), "exec /opt/server " + port + " " + port);
}

TEST(Peers, WhatIsMissingIsSaid) {
  EXPECT_THAT(parse_server("moon").error(), HasSubstr("--server 'moon': expected 'NAME=COMMAND'"));
  EXPECT_FALSE(parse_server("=command"));
  EXPECT_FALSE(parse_server("name="));
  EXPECT_THAT(parse_peer("a=/opt/server").error(), HasSubstr("with {port}"));
}

TEST(Peers, TheBaselineIsAlwaysFirst) {
  const auto chosen = choose_peers(default_peers("."), "skysock_lua");
  ASSERT_TRUE(chosen) << chosen.error();
  ASSERT_EQ(chosen->size(), 2U);
  EXPECT_EQ(chosen->front().name, kBaseline);
  EXPECT_THAT(choose_peers(default_peers("."), "moon").error(), HasSubstr("--only 'moon'"));
}

TEST(Peers, WhatCannotRunIsTakenOutAndTheOrderStays) {
  std::vector<Peer> peers = {{.name = "a"}, {.name = "b", .unable = "no"}, {.name = "c"}};
  const std::vector<Peer> taken = take_unable(peers);
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].name, "b");
  EXPECT_EQ(taken[0].unable, "no");
  ASSERT_EQ(peers.size(), 2U);
  EXPECT_EQ(peers[0].name + peers[1].name, "ac");
}

TEST(Peers, OneNameForTwoServersIsRefused) {
  auto peers = default_peers(".");
  peers.push_back({.name = kBaseline});
  EXPECT_THAT(choose_peers(peers, "").error(), HasSubstr("'plain_epoll': named twice"));
}

TEST(Strace, ASummaryIsReadUpToItsTotal) {
  const auto counts = parse_summary(
      "syscall               calls\n---------------- ----------\nrecvfrom               5000\n"
      "epoll_wait               50\n---------------- ----------\ntotal                  5050\n");
  ASSERT_TRUE(counts) << counts.error();
  EXPECT_THAT(*counts, ElementsAre(Pair("epoll_wait", 50U), Pair("recvfrom", 5'000U)));
}

TEST(Strace, AnUnknownLineIsQuoted) {
  const auto counts = parse_summary("a\n---\nrecvfrom many\n---\n");
  ASSERT_FALSE(counts);
  EXPECT_THAT(counts.error(), HasSubstr("'recvfrom many'"));
}

CallTable table_of(const std::string& scenario, std::uint64_t calls) {
  return {.scenario = choose_scenarios(scenario)->front(),
          .servers = {{kBaseline, {{"sendto", 900}}, 100},
                      {kWorkers0, {{"sendto", calls}}, 100},
                      {kSkysockUring, {{"io_uring_enter", calls}}, 100}}};
}

TEST(CallTable, EachServerIsHeldAgainstItsOwnBudget) {
  EXPECT_THAT(over_budget(table_of("echo_100x64B", 100)), ElementsAre());
  EXPECT_THAT(over_budget(table_of("echo_100x64B", 101)), ElementsAre(kSkysockUring));
  EXPECT_THAT(over_budget(table_of("echo_100x64B", 260)), ElementsAre(kSkysockUring));
  EXPECT_THAT(over_budget(table_of("echo_100x64B", 261)), ElementsAre(kWorkers0, kSkysockUring));
  EXPECT_THAT(over_budget(table_of("echo_1x64B", 400)), ElementsAre());
  EXPECT_THAT(over_budget(table_of("echo_1x64B", 401)), ElementsAre(kSkysockUring));
  EXPECT_THAT(over_budget(table_of("accept_echo1_close", 490)), ElementsAre());
  EXPECT_THAT(over_budget(table_of("accept_echo1_close", 491)), ElementsAre(kSkysockUring));
  EXPECT_THAT(over_budget(table_of("accept_echo1_close", 1'001)),
              ElementsAre(kWorkers0, kSkysockUring));
  EXPECT_THAT(over_budget(table_of("echo_64x64B", 10'000)), ElementsAre());  // Has no budget.
  EXPECT_TRUE(has_budget(kWorkers0));
  EXPECT_FALSE(has_budget(kBaseline));
}

TEST(CallTable, TextAndJsonGiveCallsPerOperation) {
  const CallTable table = table_of("echo_100x64B", 261);
  EXPECT_THAT(call_text(table), HasSubstr("9.000            2.610            2.610"));
  EXPECT_THAT(call_text(table), HasSubstr("budget of skysock_workers0: 2.6, it is ABOVE\n"
                                          "budget of skysock_uring: 1.0, it is ABOVE\n"));
  EXPECT_THAT(call_text(table_of("echo_100x64B", 260)),
              HasSubstr("budget of skysock_workers0: 2.6\n"));
  const auto json = call_json(table);
  EXPECT_EQ(json["servers"][0]["budget_calls_per_operation"], nullptr);
  EXPECT_EQ(json["servers"][1]["budget_calls_per_operation"], 2.6);
  EXPECT_EQ(json["servers"][1]["calls_per_operation"], 2.61);
  EXPECT_EQ(json["servers"][1]["calls"]["sendto"], 261);
  EXPECT_EQ(json["servers"][2]["budget_calls_per_operation"], 1.0);
}

TEST(Memory, ResidentBytesAreReadFromTheirOwnLine) {
  EXPECT_EQ(parse_rss("5500-7ffd ---p 00:00 [rollup]\nRss:    14 kB\nPss:    3 kB\n"), 14U * 1024);
  EXPECT_FALSE(parse_rss("Pss: 3 kB\n"));
  EXPECT_FALSE(parse_rss("Rss: 3 MB\n"));
  EXPECT_GT(resident_bytes(getpid()).value_or(0), 100'000U);
  EXPECT_THAT(resident_bytes(-1).error(), HasSubstr("/proc/-1/smaps_rollup"));
}

TEST(Memory, BytesPerConnectionAreADifference) {
  EXPECT_EQ(bytes_per_connection({"a", 1'000, 3'000}, 10), 200);
  EXPECT_EQ(bytes_per_connection({"a", 3'000, 1'000}, 10), -200);
}

TEST(LoadThread, HasADescriptorTableOfItsOwn) {
  LoadThread thread;
  const int fd = thread.call([] { return open("/dev/null", O_RDONLY | O_CLOEXEC); });  // NOLINT
  ASSERT_GE(fd, 0);
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);                                // NOLINT: vararg
  EXPECT_NE(thread.call([fd] { return fcntl(fd, F_GETFD); }), -1);  // NOLINT: vararg
}

TEST(Progress, SaysDoneTotalAndTimeLeft) {
  EXPECT_EQ(progress_text("echo", 0, 52, "slices", std::chrono::seconds(0)),
            "echo: 0 of 52 slices, time left unknown");
  EXPECT_EQ(progress_text("echo", 12, 52, "slices", std::chrono::seconds(10)),
            "echo: 12 of 52 slices, 10 s left");
}

}  // namespace
}  // namespace skysock::bench::compare
