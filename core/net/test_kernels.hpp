#pragma once

// The kernels that every suite of core/net runs on.

#include <gtest/gtest.h>

#include <string>

#include "core/net/test_world.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {

template <>
struct KernelTraits<SimKernel> {
  static constexpr int kPollMs = 0;
  static constexpr int kPollsMax = 2'000;
  static void pass_ms(SimKernel& sys, std::int64_t ms) { sys.advance_ms(ms); }
};

using TestKernels = testing::Types<LinuxSys, SimKernel>;

struct KernelNames {
  template <typename Sys>
  static std::string GetName(int) {
    return std::is_same_v<Sys, LinuxSys> ? "Linux" : "Simulated";
  }
};

}  // namespace skysock
