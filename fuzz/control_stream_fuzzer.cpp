// Drives a reactor on a simulated kernel through its control pipe, with any bytes, API calls, peers
// and faults. Message language, lost bytes, leaks, idle wake-ups and equal traces are checked.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/check.hpp"
#include "fuzz/input_reader.hpp"
#include "fuzz/stream_world.hpp"

namespace {

std::uint64_t run_world(std::span<const std::uint8_t> bytes) {
  skysock::fuzz::InputReader input(bytes);
  return skysock::fuzz::StreamWorld(input).run();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(data, size);
  const std::uint64_t trace = run_world(bytes);
  // A second run costs as much as the first, so not every input gets one.
  const bool twice = size % 8 == 0;
  if (twice) SKYSOCK_CHECK(run_world(bytes) == trace);
  return 0;
}
