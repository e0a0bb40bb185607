#pragma once

#include <chrono>
#include <cstdint>

namespace skysock::load {

/// What a time-bounded run did.
struct Work {
  std::uint64_t operations = 0;     ///< Begun and checked within it.
  std::chrono::nanoseconds wall{};  ///< From the first send to the last checked byte.
};

}  // namespace skysock::load
