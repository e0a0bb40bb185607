#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace skysock::fuzz {

/// How an operation is written and read, and how often random programs have it.
struct Form {
  static constexpr std::size_t kArgumentsMax = 5;

  char letter;
  std::string_view name;
  std::array<std::string_view, kArgumentsMax> arguments;
  unsigned weight;

  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        arguments, [](std::string_view argument) { return !argument.empty(); }));
  }
};

inline constexpr char kRaw = 'r';
inline constexpr char kMuch = 'W';
inline constexpr char kBegin = 'F';
inline constexpr char kResume = 'J';
inline constexpr std::size_t kArgumentBytesMax = 63;  ///< Of raw bytes: op_raw_bytes().

/// In the order of StreamWorld::kOperations, which a byte that is no letter picks from.
std::span<const Form> forms();

/// Requires: there is one of that letter.
const Form& form_of(char letter);

}  // namespace skysock::fuzz
