// Runs one of the two loops a number of times and nothing else, to be counted under callgrind.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>
#include <string_view>

#include "bench/seam/seam_loops.hpp"

using namespace skysock::bench;

namespace {

constexpr const char* kUsage =
    "usage: seam_calls direct|linux_sys socketpair|tcp|accept OPERATIONS\n\n"
    "Does that many operations with direct system calls, or through LinuxSys.\n\n"
    "exit codes: 0 done, each answer was right; 1 a call failed or an answer was wrong; 2 usage\n";

}  // namespace

int main(int argc, char** argv) {
  const std::span words(argv, static_cast<std::size_t>(argc));
  if (argc == 2 && std::string_view(words[1]) == "--help") return std::fputs(kUsage, stdout) < 0;
  std::uint64_t operations = 0;
  const bool complete = argc == 4;
  const std::string_view calls = complete ? words[1] : "";
  const auto* scenario = std::ranges::find(kSeamNames, std::string_view(complete ? words[2] : ""));
  if (complete) std::from_chars(words[3], words[3] + std::strlen(words[3]), operations);
  if ((calls != "direct" && calls != "linux_sys") || scenario == std::end(kSeamNames) ||
      operations == 0) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  auto loop = SeamLoop::open(static_cast<SeamScenario>(scenario - kSeamNames));
  if (!loop) {
    fmt::print(stderr, "seam_calls: {}\n", loop.error());
    return 1;
  }
  const Calls kind = calls == "direct" ? Calls::direct : Calls::linux_sys;
  for (std::uint64_t done = 0; done < operations; ++done) {
    if (loop->run(kind)) continue;
    fmt::print(stderr, "seam_calls: operation {} failed\n", done);
    return 1;
  }
  return 0;
}
