#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>

#include "bench/load/pattern.hpp"

namespace skysock::load {

/// "byte 5: expected 0x1f, received 0x0f".
inline std::string wrong_byte(const Mismatch& wrong) {
  return fmt::format("byte {}: expected 0x{:02x}, received 0x{:02x}", wrong.offset,
                     static_cast<unsigned>(wrong.expected), static_cast<unsigned>(wrong.received));
}

}  // namespace skysock::load
