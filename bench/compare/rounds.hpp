#pragma once

// The order in which servers take their slices. Whatever happens to the machine during a round
// happens to all of them; no server always follows the same other.

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "bench/load/outcome.hpp"
#include "core/base/prng.hpp"

namespace skysock::bench::compare {

/// 0 .. count - 1 in random order (Fisher-Yates).
inline std::vector<std::size_t> shuffled(std::size_t count, Prng& random) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t left = count; left > 1; --left) {
    std::swap(order[left - 1], order[random.below(left)]);
  }
  return order;
}

/// Gives every lane one slice per round. A lane has pause() and resume(), both Outcome<void>;
/// `slice(index)` measures the lane that runs and `after(round, position)` reports progress.
///
/// Requires: every lane is paused.
/// Invariant: at most one lane runs; between slices none.
template <typename Lane, typename Measure, typename After>
load::Outcome<void> run_rounds(std::vector<Lane>& lanes, unsigned rounds, std::uint64_t seed,
                               Measure&& slice, After&& after) {
  Prng random(seed);
  for (unsigned round = 0; round < rounds; ++round) {
    std::size_t position = 0;
    for (const std::size_t index : shuffled(lanes.size(), random)) {
      if (auto resumed = lanes[index].resume(); !resumed) return resumed;
      if (auto measured = slice(index); !measured) return measured;
      if (auto paused = lanes[index].pause(); !paused) return paused;
      after(round, ++position);
    }
  }
  return {};
}

}  // namespace skysock::bench::compare
