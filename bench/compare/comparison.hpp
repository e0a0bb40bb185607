#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/compare/call_table.hpp"
#include "bench/compare/lane.hpp"
#include "bench/compare/statistics.hpp"

namespace skysock::bench::compare {

/// What was found out about one server.
struct Measured {
  std::string name;
  std::string command;
  std::vector<Slice> slices;  ///< One per round.
  Latencies latencies = {};   ///< Over all slices.
  double rate = 0;            ///< Intended operations per second of an open loop; 0 for all others.
  std::optional<double> rss_bytes_per_connection = {};
  std::optional<CountedCalls> calls = {};
};

/// One scenario, all servers; the first is the baseline. skysock on io_uring is also set against
/// the plain server on io_uring, and against skysock on epoll.
struct Comparison {
  Scenario scenario;
  std::vector<Measured> servers;
};

/// Why a ratio is not to be relied on.
enum class Doubt : std::uint8_t {
  few_rounds,  ///< Fewer than 5.
  wide_pairs,  ///< The middle half of the pairs is wider than 10 % of their median.
  outside,     ///< Ratio::disturbed().
  starved,     ///< Server and load both had less than half a CPU (with one connection, where they
               ///< take turns, a quarter): something else ran.
  behind,      ///< An open loop's server did less than 95 % of the rate: latencies are a queue's.
};

/// Why throughput and latencies are those of the load, not of the server.
enum class LoadLimit : std::uint8_t {
  busy,  ///< It used more than 90 % of its CPU. Not of an open loop, which waits by polling.
  late,  ///< The 99th percentile of its lateness is above kLatenessLimit.
};

/// A message this much later than intended is still sent before most answers take twice as long.
inline constexpr std::chrono::microseconds kLatenessLimit{200};

/// What the slices of one server come to.
struct Summary {
  double cpu_us_per_operation_p10 = 0;
  double cpu_us_per_operation_median = 0;
  std::optional<Ratio> ratio;        ///< None when idle: the baseline's cost is nearly 0.
  double operations_per_second = 0;  ///< Median; 0 when idle.
  std::optional<double> speed;       ///< That, divided by the baseline's; none when idle.
  double speed_pairs_p25 = 0;        ///< Of such ratios within one round each.
  double speed_pairs_p75 = 0;
  double server_cpu_share = 0;    ///< Median, of one CPU.
  double load_cpu_share = 0;      ///< Median; near 1: the load is the limit, not the server.
  std::vector<Doubt> doubts;      ///< Empty: the ratio is firm, or there is none.
  std::vector<LoadLimit> limits;  ///< Empty: the server is the limit.
};

/// Requires: both have the same number of slices, at least one.
Summary summarise(const Measured& server, const Measured& baseline, const Scenario& scenario);

/// Two servers, neither of which is the baseline.
struct Against {
  const Measured& server;
  const Measured& other;
};

/// The pairs of servers in `comparison` that are set against each other, too.
std::vector<Against> against_of(const Comparison& comparison);

/// Each of these with what it means, in the order in which they are told.
std::span<const std::pair<Doubt, const char*>> doubt_words();
std::span<const std::pair<LoadLimit, const char*>> limit_words();

/// A table for people, and one of system calls if they were counted.
std::string comparison_text(const Comparison& comparison);

/// Units are in the keys; with every slice unless `with_slices` is false.
nlohmann::ordered_json comparison_json(const Comparison& comparison, bool with_slices = true);

}  // namespace skysock::bench::compare
