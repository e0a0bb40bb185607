#pragma once

#include <cstdint>
#include <limits>

namespace skysock {

/// One step of SplitMix64: a bijection of 64-bit integers whose outputs look independent.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
constexpr std::uint64_t mix64(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15U;
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

/// A SplitMix64 stream: all randomness of the suite starts from a printed seed through this.
/// Meets std::uniform_random_bit_generator.
class Prng {
 public:
  using result_type = std::uint64_t;

  explicit constexpr Prng(std::uint64_t seed) : state_(seed) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  constexpr result_type operator()() {
    const std::uint64_t result = mix64(state_);
    state_ += 0x9E3779B97F4A7C15U;
    return result;
  }

  /// A value in [0, bound); the bias is below bound / 2^64. Requires: bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) { return (*this)() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace skysock
