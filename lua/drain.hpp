#pragma once

#include <chrono>

#include "core/service/runtime.hpp"

namespace skysock::lua {

/// Ends `first` and lets the reactor send what sockets still have queued, for `limit` at most: a
/// peer that never reads must not keep the program alive. Call it before Runtime::stop(), which
/// waits for no peer. Cost: a netstat() every 10 ms.
void drain_output(Runtime& runtime, ServiceHandle first, std::chrono::milliseconds limit);

}  // namespace skysock::lua
