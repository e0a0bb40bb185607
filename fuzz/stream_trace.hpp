#pragma once

#include <cstddef>
#include <span>

#include "core/net/event.hpp"
#include "core/net/step_observer.hpp"

// SKYSOCK_FUZZ_TRACE=1 shows operations, steps and events on standard error: for looking at one
// input.

namespace skysock::fuzz {

void trace_operation(char letter);
void trace_event(const Event& event, bool refused);
void trace_step(const Step& step);
void trace_raw(std::span<const std::byte> bytes);

}  // namespace skysock::fuzz
