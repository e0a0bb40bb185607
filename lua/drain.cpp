#include "lua/drain.hpp"

#include <algorithm>
#include <thread>

namespace skysock::lua {
namespace {

constexpr std::chrono::milliseconds kTick{10};

bool has_output(Runtime& runtime, std::chrono::milliseconds limit) {
  return std::ranges::any_of(runtime.sockets().netstat(limit),
                             [](const SocketInfo& info) { return info.queued_bytes > 0; });
}

}  // namespace

void drain_output(Runtime& runtime, ServiceHandle first, std::chrono::milliseconds limit) {
  runtime.retire(first);
  const auto end = std::chrono::steady_clock::now() + limit;
  while (has_output(runtime, limit) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kTick);
  }
}

}  // namespace skysock::lua
