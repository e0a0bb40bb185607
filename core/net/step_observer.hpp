#pragma once

#include <cstdint>

#include "core/net/connection_state.hpp"
#include "core/net/types.hpp"

namespace skysock {

/// One step of the rule machine, for traces and tests.
struct Step {
  std::int64_t now_ms;
  SocketId id;
  ServiceHandle owner;
  const Rule& rule;
};

/// Sees every step, on the reactor thread. Must not call the server.
struct StepObserver {
  void* context = nullptr;
  void (*on_step)(void* context, const Step& step) = nullptr;
};

}  // namespace skysock
