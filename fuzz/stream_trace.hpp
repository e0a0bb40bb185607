#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/net/event.hpp"
#include "core/net/step_observer.hpp"
#include "core/sys/yield_point.hpp"

// SKYSOCK_FUZZ_TRACE=1 shows operations, steps and events on standard error: for looking at one
// input.

namespace skysock::fuzz {

/// `rest`: what follows the letter in the input, the operation's arguments first.
void trace_operation(char letter, std::span<const std::uint8_t> rest);
/// All operations are done; `abandoned`: nothing is closed before the server goes.
void trace_end(bool abandoned);
void trace_event(const Event& event, bool refused);
void trace_step(const Step& step);
/// A thread stops there, in the middle of an operation.
void trace_stop(std::size_t thread, YieldPoint point, SocketId id);
void trace_raw(std::span<const std::byte> bytes);

}  // namespace skysock::fuzz
