#include "core/base/stream_pattern.hpp"

#include <vector>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock {
namespace {

std::vector<std::byte> make_table() {
  std::vector<std::byte> table(kPatternPeriod + kStreamMessageBytesMax);
  for (std::size_t at = 0; at < table.size(); ++at) {
    table[at] = static_cast<std::byte>(mix64(at % kPatternPeriod));
  }
  return table;
}

}  // namespace

std::span<const std::byte> stream_bytes(std::uint64_t offset, std::size_t size) {
  static const std::vector<std::byte> table = make_table();
  SKYSOCK_CHECK(size <= kStreamMessageBytesMax);
  return std::span(table).subspan(offset % kPatternPeriod, size);
}

}  // namespace skysock
