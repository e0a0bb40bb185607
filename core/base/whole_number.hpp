#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace skysock {

/// What is wrong with `text` as a whole number from `least` to 2^64-1; "" when it is one. CLI11
/// alone reads "-5" as 2^64 - 5, and cuts what is larger down to 2^64 - 1.
inline std::string wrong_whole_number(std::string_view text, std::uint64_t least = 0) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc{} && at == end && value >= least) return {};
  return "'" + std::string(text) + "' is not an integer from " + std::to_string(least) +
         " to 2^64-1";
}

}  // namespace skysock
