#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/compare/comparison.hpp"
#include "bench/compare/options.hpp"
#include "bench/compare/progress.hpp"

namespace skysock::bench::compare {

struct CompareOptions : Options {
  unsigned rounds = 13;
  double slice_s = 0.1;
  std::uint64_t seed = 1;
  bool full = false;
  double rate = 0;        ///< Of open loops, per second; 0: each scenario's share of the peak.
  unsigned stall_ms = 0;  ///< 0: no server is stopped on purpose.
  bool no_syscalls = false;
  bool no_slices = false;
  std::vector<Scenario> scenarios;
};

/// After another server had the CPU: caches and branch predictors are this one's again.
inline constexpr double kWarmUpShare = 0.1;

/// Those of `peers` that can be told the scenario's mode.
std::vector<Peer> peers_in(const std::vector<Peer>& peers, const Scenario& scenario);

/// Measures all servers in one scenario and counts their system calls afterwards. Why they cannot
/// be counted on this machine is put into `not_counted`; unless that is empty they are not.
load::Outcome<Comparison> compare_in(const CompareOptions& options, const Scenario& scenario,
                                     Progress& progress, std::string& not_counted);

}  // namespace skysock::bench::compare
