// Is the arithmetic between slices and the printed ratio right?

#include "bench/compare/statistics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "bench/compare/comparison.hpp"

namespace skysock::bench::compare {
namespace {

using std::chrono::milliseconds;

TEST(Percentile, IsTheNearestRankOfUnsortedValues) {
  const std::vector<double> values = {9, 1, 8, 2, 7, 3, 6, 4, 5, 10};
  EXPECT_EQ(percentile(values, 0), 1);
  EXPECT_EQ(percentile(values, 0.10), 1);
  EXPECT_EQ(percentile(values, 0.11), 2);
  EXPECT_EQ(percentile(values, 0.5), 5);
  EXPECT_EQ(percentile(values, 1), 10);
}

TEST(Percentile, OfThirteenRoundsTheTenthIsTheSecondSmallest) {
  const std::vector<double> rounds = {13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
  EXPECT_EQ(percentile(rounds, kCalm), 2);
}

TEST(PairedRatios, DivideWithinOneRound) {
  EXPECT_EQ(paired_ratios(std::vector{2.0, 9.0}, std::vector{1.0, 3.0}), (std::vector{2.0, 3.0}));
}

TEST(Ratio, OfTheCalmRoundsIgnoresABurstThatHitOneServer) {
  const std::vector<double> baseline(13, 2.0);
  std::vector<double> values(13, 3.0);
  values[4] = 300;
  values[5] = 300;
  const Ratio expected{.value = 1.5, .pairs_p25 = 1.5, .pairs_median = 1.5, .pairs_p75 = 1.5};
  EXPECT_EQ(ratio_of(values, baseline), expected);
}

TEST(Ratio, SpreadIsThatOfThePairs) {
  const Ratio ratio = ratio_of(std::vector{1.0, 2.0, 3.0, 4.0}, std::vector{1.0, 1.0, 1.0, 1.0});
  EXPECT_EQ(ratio.value, 1);
  EXPECT_EQ(ratio.pairs_p25, 1);
  EXPECT_EQ(ratio.pairs_median, 2);
  EXPECT_EQ(ratio.pairs_p75, 3);
}

TEST(Ratio, FarOutsideItsPairsIsMarked) {
  EXPECT_FALSE((Ratio{1.02, 1.0, 1.0, 1.0}.disturbed()));
  EXPECT_TRUE((Ratio{1.04, 1.0, 1.0, 1.0}.disturbed()));
  EXPECT_TRUE((Ratio{0.96, 1.0, 1.0, 1.0}.disturbed()));
  EXPECT_FALSE((Ratio{1.2, 1.1, 1.2, 1.3}.disturbed()));
  // The baseline had one calm moment that the other server never had.
  std::vector<double> baseline(13, 2.0);
  baseline[3] = baseline[7] = 1.0;
  EXPECT_TRUE(ratio_of(std::vector<double>(13, 2.0), baseline).disturbed());
}

Slice slice(std::uint64_t operations, milliseconds server_cpu) {
  return {.operations = operations,
          .wall = milliseconds(250),
          .server_cpu = server_cpu,
          .load_cpu = milliseconds(50)};
}

Scenario of_connections(std::size_t count) {
  return {.kind = LoadKind::echo, .connections = count};
}

TEST(Summary, DividesCpuTimeByOperations) {
  const Measured baseline{.name = "plain_epoll", .slices = {slice(10'000, milliseconds(100))}};
  const Measured server{.name = "other", .slices = {slice(5'000, milliseconds(200))}};
  const Summary summary = summarise(server, baseline, of_connections(64));
  EXPECT_DOUBLE_EQ(summary.cpu_us_per_operation_p10, 40);
  EXPECT_DOUBLE_EQ(summary.ratio.value_or(Ratio{}).value, 4);
  EXPECT_DOUBLE_EQ(summary.operations_per_second, 20'000);
  EXPECT_DOUBLE_EQ(summary.server_cpu_share, 0.8);
  EXPECT_DOUBLE_EQ(summary.load_cpu_share, 0.2);
}

TEST(Summary, AnIdleServerCostsCpuTimePerSecondAndHasNoRatio) {
  const Measured baseline{.name = "plain_epoll", .slices = {slice(0, milliseconds(0))}};
  const Measured server{.name = "other", .slices = {slice(0, milliseconds(1))}};
  const Summary summary = summarise(server, baseline, {.kind = LoadKind::idle});
  EXPECT_DOUBLE_EQ(summary.cpu_us_per_operation_p10, 4'000);
  EXPECT_FALSE(summary.ratio);
}

TEST(Comparison, TheTableNamesEveryServerWithItsRatio) {
  const Comparison comparison{.scenario = scenarios().front(),
                              .servers = {{"plain_epoll", "", {slice(10'000, milliseconds(100))}},
                                          {"other", "", {slice(5'000, milliseconds(200))}}}};
  const std::string text = comparison_text(comparison);
  EXPECT_NE(text.find("echo_64x64B"), std::string::npos) << text;
  EXPECT_NE(text.find("other                       40.000    4.000?"), std::string::npos) << text;
  EXPECT_NE(text.find("\n? not resolved, measure again: fewer than 5 rounds (all)"),
            std::string::npos)
      << text;
}

Measured measured(const std::string& name, std::initializer_list<int> server_cpu_ms) {
  Measured result{.name = name, .command = "", .slices = {}};
  for (const int ms : server_cpu_ms) result.slices.push_back(slice(10'000, milliseconds(ms)));
  return result;
}

TEST(Comparison, ARatioIsFirmOnlyWhenEveryReasonToDoubtItIsGone) {
  const auto doubts = [](const Measured& server, const Measured& baseline) {
    return summarise(server, baseline, of_connections(64)).doubts;
  };
  const Measured baseline = measured("plain_epoll", {100, 100, 100, 100, 100});
  EXPECT_EQ(doubts(measured("firm", {150, 151, 152, 153, 154}), baseline), std::vector<Doubt>{});
  EXPECT_EQ(
      doubts(measured("few", {150, 150, 150, 150}), measured("plain_epoll", {100, 100, 100, 100})),
      std::vector{Doubt::few_rounds});
  EXPECT_EQ(doubts(measured("wide", {150, 150, 160, 170, 170}), baseline),
            std::vector{Doubt::wide_pairs});
  EXPECT_EQ(doubts(measured("outside", {130, 150, 150, 150, 150}), baseline),
            std::vector{Doubt::outside});
}

TEST(Comparison, AServerThatWaitsForACpuWithItsLoadIsDoubtful) {
  const auto is_starved = [](int server_cpu_ms, std::size_t connections) {
    const Measured server = measured("server", {server_cpu_ms, server_cpu_ms});
    const auto doubts = summarise(server, server, of_connections(connections)).doubts;
    return std::ranges::find(doubts, Doubt::starved) != doubts.end();
  };
  // Of 250 ms; the load always has 50.
  EXPECT_TRUE(is_starved(120, 64));
  EXPECT_FALSE(is_starved(130, 64));
  EXPECT_TRUE(is_starved(60, 1));
  EXPECT_FALSE(is_starved(70, 1));
}

TEST(Comparison, TheLineUnderTheTableNamesWhoIsDoubtfulAndWhy) {
  const Measured baseline = measured("plain_epoll", {130, 130, 130, 130, 130});
  const Comparison firm{.scenario = scenarios().front(),
                        .servers = {baseline, measured("firm", {150, 150, 150, 150, 150})}};
  EXPECT_EQ(comparison_text(firm).find('?'), std::string::npos) << comparison_text(firm);
  const Comparison wide{.scenario = scenarios().front(),
                        .servers = {baseline, measured("wide", {150, 150, 160, 170, 170})}};
  EXPECT_NE(
      comparison_text(wide).find("? not resolved, measure again: pairs wider than 10 % (wide)\n"),
      std::string::npos)
      << comparison_text(wide);
  const auto ratio = comparison_json(wide)["servers"][1]["ratio_to_plain_epoll"];
  EXPECT_EQ(ratio["unresolved"], true);
  EXPECT_EQ(ratio["unresolved_because"][0], "pairs wider than 10 %");
  EXPECT_EQ(comparison_json(firm)["servers"][1]["ratio_to_plain_epoll"]["unresolved"], false);
}

TEST(Comparison, SkysockOnIoUringIsAlsoSetAgainstWhatItIsMadeToMatchAndToBeat) {
  const Comparison comparison{.scenario = scenarios().front(),
                              .servers = {measured("plain_epoll", {150, 150, 150, 150, 150}),
                                          measured("plain_uring", {140, 140, 140, 140, 140}),
                                          measured("skysock_workers0", {160, 160, 176, 192, 192}),
                                          measured("skysock_uring", {147, 147, 147, 147, 147})}};
  const std::string text = comparison_text(comparison);
  EXPECT_NE(text.find("\nskysock_uring to plain_uring          1.050  1.050-1.050"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nskysock_uring to skysock_workers0     0.919? 0.766-0.919"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("wider than 10 % (skysock_workers0, skysock_uring to skysock_workers0)"),
            std::string::npos)
      << text;
  const auto ratios = comparison_json(comparison)["ratios"];
  ASSERT_EQ(ratios.size(), 2U);
  EXPECT_EQ(ratios[0]["server"], "skysock_uring");
  EXPECT_EQ(ratios[0]["to"], "plain_uring");
  EXPECT_DOUBLE_EQ(ratios[0]["of_p10"], 1.05);
  EXPECT_EQ(ratios[0]["unresolved"], false);
  EXPECT_EQ(ratios[1]["to"], "skysock_workers0");
  EXPECT_EQ(ratios[1]["unresolved"], true);
}

TEST(Comparison, WithoutBothServersThereIsNoSecondRatio) {
  const Comparison comparison{
      .scenario = scenarios().front(),
      .servers = {measured("plain_epoll", {150}), measured("skysock_uring", {150})}};
  EXPECT_EQ(comparison_text(comparison).find(" to "), std::string::npos);
  EXPECT_EQ(comparison_json(comparison)["ratios"].size(), 0U);
}

TEST(LoadLimit, IsALoadThatIsBusyOrLate) {
  const Measured baseline{.name = "plain_epoll", .slices = {slice(10'000, milliseconds(100))}};
  Measured busy{.name = "busy", .slices = {slice(10'000, milliseconds(100))}};
  busy.slices[0].load_cpu = milliseconds(226);  // Of 250.
  const auto limits = [&](const Measured& server, LoadKind kind) {
    return summarise(server, baseline, {.kind = kind, .connections = 64}).limits;
  };
  EXPECT_EQ(limits(busy, LoadKind::echo), std::vector{LoadLimit::busy});
  EXPECT_TRUE(limits(busy, LoadKind::open_loop).empty()) << "it polls";
  EXPECT_TRUE(limits(baseline, LoadKind::echo).empty());
  Measured late = baseline;
  for (int message = 0; message < 98; ++message) late.latencies.lateness.record(milliseconds(0));
  late.latencies.lateness.record(milliseconds(1));
  EXPECT_EQ(limits(late, LoadKind::open_loop), std::vector{LoadLimit::late});
  late.latencies.lateness.record(milliseconds(0));
  EXPECT_TRUE(limits(late, LoadKind::open_loop).empty()) << "1 % may be late";
}

TEST(Comparison, SaysWhereTheLoadIsTheLimit) {
  Comparison comparison{.scenario = scenarios().front(),
                        .servers = {measured("plain_epoll", {150, 150, 150, 150, 150}),
                                    measured("fast", {150, 150, 150, 150, 150})}};
  EXPECT_EQ(comparison_text(comparison).find('!'), std::string::npos);
  for (Slice& slice : comparison.servers[1].slices) slice.load_cpu = slice.wall;
  EXPECT_NE(
      comparison_text(comparison)
          .find("\n! the load is the limit, op/s and latencies are its own: it used more than "
                "90 % of its CPU (fast)\n"),
      std::string::npos)
      << comparison_text(comparison);
  const auto json = comparison_json(comparison);
  EXPECT_EQ(json["servers"][0]["load_limited"], false);
  EXPECT_EQ(json["servers"][1]["load_limited"], true);
  EXPECT_EQ(json["servers"][1]["load_limited_because"].size(), 1U);
}

TEST(Comparison, AServerThatDoesNotKeepTheRateIsDoubted) {
  const Scenario scenario = choose_scenarios("open_loop_50")->front();
  Measured server = measured("plain_epoll", {150, 150, 150, 150, 150});
  const double done = summarise(server, server, scenario).operations_per_second;
  server.rate = done;
  EXPECT_TRUE(summarise(server, server, scenario).doubts.empty());
  server.rate = done / 0.94;
  EXPECT_EQ(summarise(server, server, scenario).doubts, std::vector{Doubt::behind});
}

TEST(Comparison, EveryFigureOfAServerIsInTheRecord) {
  Comparison comparison{.scenario = choose_scenarios("open_loop_50")->front(),
                        .servers = {measured("plain_epoll", {150})}};
  Measured& server = comparison.servers[0];
  for (int message = 1; message <= 1'000; ++message) {
    server.latencies.operations.record(std::chrono::microseconds(message));
  }
  server.latencies.lateness.record(std::chrono::microseconds(3));
  server.rate = 20'000;
  server.rss_bytes_per_connection = 2'048;
  server.calls = CountedCalls{"plain_epoll", {{"recvfrom", 30}, {"sendto", 20}}, 20};
  const auto json = comparison_json(comparison);
  const auto& record = json["servers"][0];
  EXPECT_NEAR(record["latency_us"]["p50"].get<double>(), 500, 4);
  EXPECT_NEAR(record["latency_us"]["p99_9"].get<double>(), 999, 8);
  EXPECT_EQ(record["latency_us"]["max"], 1'000);
  EXPECT_EQ(record["lateness_us"]["samples"], 1);
  EXPECT_EQ(record["intended_operations_per_second"], 20'000);
  EXPECT_EQ(record["rss_bytes_per_connection"], 2'048);
  EXPECT_EQ(record["syscalls_per_operation"]["recvfrom"], 1.5);
  EXPECT_EQ(record["syscalls_per_operation"]["total"], 2.5);
  EXPECT_EQ(record["operations_per_second_to_plain_epoll"]["of_medians"], 1.0);
  EXPECT_EQ(record["operations_per_second_to_plain_epoll"]["pairs_p25"], 1.0);
  EXPECT_EQ(record["slices"].size(), 1U);
  EXPECT_FALSE(comparison_json(comparison, false)["servers"][0].contains("slices"));
  const std::string text = comparison_text(comparison);
  EXPECT_NE(text.find("    2.00      20000 "), std::string::npos) << text;
  EXPECT_NE(text.find("calls per message, 20 messages"), std::string::npos) << text;
  EXPECT_FALSE(record.contains("datagrams"));
}

TEST(Comparison, DatagramsThatWereNotAnsweredAreInTheRecordAndInTheTable) {
  Comparison comparison{.scenario = choose_scenarios("udp_echo_64x64B")->front(),
                        .servers = {measured("plain_epoll", {150})}};
  load::UdpTroubles& datagrams = comparison.servers[0].latencies.datagrams;
  datagrams += {.lost = 70, .late = 2, .duplicates = 1};
  datagrams += {.lost = 7, .late = 3};
  const auto record = comparison_json(comparison)["servers"][0]["datagrams"];
  EXPECT_EQ(record["lost"], 77);
  EXPECT_EQ(record["late"], 5);
  EXPECT_EQ(record["duplicates"], 1);
  const std::string text = comparison_text(comparison);
  EXPECT_NE(text.find(" KiB/conn  lost\n"), std::string::npos) << text;
  EXPECT_NE(text.find("    77\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace skysock::bench::compare
