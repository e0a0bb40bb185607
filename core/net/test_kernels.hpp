#pragma once

// The kernels that every suite of core/net runs on.

#include <gtest/gtest.h>

#include <string>

#include "core/net/test_world.hpp"

namespace skysock {

using TestKernels = testing::Types<LinuxSys>;

struct KernelNames {
  template <typename Sys>
  static std::string GetName(int) {
    return std::is_same_v<Sys, LinuxSys> ? "Linux" : "Simulated";
  }
};

}  // namespace skysock
