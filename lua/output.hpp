#pragma once

#include <cstdio>
#include <string_view>

namespace skysock::lua {

/// Prints, and goes on when nobody can read it: fmt::print() would throw. What could not be written
/// shows in ferror().
inline void print_to(std::FILE* stream, std::string_view text) {
  [[maybe_unused]] const std::size_t written = std::fwrite(text.data(), 1, text.size(), stream);
}

}  // namespace skysock::lua
