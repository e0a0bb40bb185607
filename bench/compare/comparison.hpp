#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/compare/lane.hpp"
#include "bench/compare/statistics.hpp"

namespace skysock::bench::compare {

/// The slices of one server, one per round.
struct Measured {
  std::string name;
  std::string command;
  std::vector<Slice> slices;
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
};

/// What the slices of one server come to.
struct Summary {
  double cpu_us_per_operation_p10 = 0;
  double cpu_us_per_operation_median = 0;
  std::optional<Ratio> ratio;        ///< None when idle: the baseline's cost is nearly 0.
  double operations_per_second = 0;  ///< Median; 0 when idle.
  double server_cpu_share = 0;       ///< Median, of one CPU.
  double load_cpu_share = 0;         ///< Median; near 1: the load is the limit, not the server.
  std::vector<Doubt> doubts;         ///< Empty: the ratio is firm, or there is none.
};

/// Requires: both have the same number of slices, at least one.
Summary summarise(const Measured& server, const Measured& baseline, const Scenario& scenario);

/// A table for people.
std::string comparison_text(const Comparison& comparison);

/// With every slice; units are in the keys.
nlohmann::ordered_json comparison_json(const Comparison& comparison);

}  // namespace skysock::bench::compare
