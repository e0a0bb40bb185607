#pragma once

// Comparisons of servers that do not exist, for tests of all that comes after a sample.

#include "results/compare.hpp"

namespace skysock::results {

inline CompareOptions synthetic_options() {
  CompareOptions options;
  options.a = {
      "base", {"/bin/a", "x"}, {"/bin/a", "aaaa", "0123456789abcdef", false, "clang", "-O2"}};
  options.b = {
      "next", {"/bin/b", "x"}, {"/bin/b", "bbbb", "fedcba9876543210", true, "clang", "-O2"}};
  options.placement = {"cross-cpu", 0, 1};
  options.workload.operations = 1000;
  options.seed = 7;
  return options;
}

/// Samples of 10 us per operation; B's are `ratio` times that. One chunk in five is disturbed; the
/// noise is 1 %.
inline TakeSample synthetic_sampler(double ratio) {
  return [ratio, prng = Prng(11)](const Side& side,
                                  const Workload& workload) mutable -> Outcome<Sample> {
    Sample sample;
    const double base = side.name == "next" ? 10'000 * ratio : 10'000;
    for (unsigned chunk = 0; chunk < workload.chunks; ++chunk) {
      const double noise =
          1 + 0.01 * static_cast<double>(prng.below(1000)) / 1000 + (chunk == 2 ? 3 : 0);
      sample.cpu_ns_per_operation.push_back(base * noise);
      sample.wall_ns_per_operation.push_back(2 * base * noise);
    }
    return sample;
  };
}

inline Outcome<CompareRecord> compare_synthetic(
    double ratio, const CompareOptions& options = synthetic_options()) {
  return compare(options, synthetic_sampler(ratio), [](const Progress&) {});
}

}  // namespace skysock::results
