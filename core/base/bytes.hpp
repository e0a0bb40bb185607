#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>

#include "core/base/check.hpp"

namespace skysock {

static_assert(std::endian::native == std::endian::little, "packets are little-endian as written");

/// Copies `value` to the front of `into` (little-endian) and returns what is left of `into`.
template <std::integral T>
std::span<std::byte> put(std::span<std::byte> into, T value) {
  SKYSOCK_CHECK(into.size() >= sizeof value);
  std::memcpy(into.data(), &value, sizeof value);
  return into.subspan(sizeof value);
}

/// Reads a little-endian T at `offset`. Requires: offset + sizeof(T) <= from.size().
template <std::integral T>
T get(std::span<const std::byte> from, std::size_t offset) {
  SKYSOCK_CHECK(offset <= from.size() && from.size() - offset >= sizeof(T));
  T value;
  std::memcpy(&value, from.data() + offset, sizeof value);
  return value;
}

}  // namespace skysock
