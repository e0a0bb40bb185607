// What does it cost that core/net calls the kernel through a seam (the concept Syscalls, here
// LinuxSys) and not directly? The same loop both ways, in turns of a few milliseconds, so that the
// ratio is one of equal moments. Leaves out everything around the calls.

#include <array>
#include <chrono>
#include <ctime>
#include <vector>

#include "bench/compare/statistics.hpp"
#include "bench/harness.hpp"
#include "bench/seam/seam_loops.hpp"
#include "core/base/prng.hpp"

namespace skysock::bench {
namespace {

constexpr int kBatch = 500;

std::int64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// CPU time of an operation in us; 0 when an answer was wrong.
double batch_us(SeamLoop& loop, Calls calls) {
  const std::int64_t begin = thread_cpu_ns();
  for (int done = 0; done < kBatch; ++done) {
    if (!loop.run(calls)) return 0;
  }
  return static_cast<double>(thread_cpu_ns() - begin) / 1e3 / kBatch;
}

/// The costs of pairs of batches, one of each kind, in random order.
class Pairs {
 public:
  /// False when an answer was wrong.
  bool measure(SeamLoop& loop) {
    const bool seam_first = random_.below(2) == 1;
    for (const bool seam : {seam_first, !seam_first}) {
      const double us = batch_us(loop, seam ? Calls::linux_sys : Calls::direct);
      if (us == 0) return false;
      (seam ? linux_sys_ : direct_).push_back(us);
    }
    return true;
  }

  void report(benchmark::State& state) const {
    const compare::Ratio ratio = compare::ratio_of(linux_sys_, direct_);
    state.counters["direct_us"] = compare::percentile(direct_, compare::kCalm);
    state.counters["linux_sys_us"] = compare::percentile(linux_sys_, compare::kCalm);
    state.counters["ratio"] = ratio.value;
    state.counters["pairs_p25"] = ratio.pairs_p25;
    state.counters["pairs_median"] = ratio.pairs_median;
    state.counters["pairs_p75"] = ratio.pairs_p75;
  }

 private:
  Prng random_{1};
  std::vector<double> direct_;
  std::vector<double> linux_sys_;
};

void BM_Seam(benchmark::State& state, SeamScenario scenario) {
  auto loop = SeamLoop::open(scenario);
  if (!loop) return fail(state, loop.error());
  // The answers are checked, and the caches are warm, before anything is timed.
  bool right = Pairs().measure(*loop);
  Pairs pairs;
  for (auto _ : state) {
    right = right && pairs.measure(*loop);
    if (!right) break;
  }
  if (!right) return fail(state, "a call failed, or an answer was wrong");
  pairs.report(state);
  state.SetItemsProcessed(2 * kBatch * static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

void register_seam() {
  describe("micro: kernel", "BM_Seam",
           "direct system calls against the same through LinuxSys, as a ratio");
  for (const SeamScenario scenario :
       {SeamScenario::socketpair, SeamScenario::tcp, SeamScenario::accept}) {
    const std::string name = "BM_Seam/" + std::string(kSeamNames[static_cast<int>(scenario)]);
    benchmark::RegisterBenchmark(name.c_str(), BM_Seam, scenario)->UseRealTime();
  }
}

}  // namespace skysock::bench
