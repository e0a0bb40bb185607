#pragma once

namespace skysock {

/// Prints `condition`, file and line to standard error and aborts. Never returns.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace skysock

/// States what must be true whatever the outside world does; on in every build. A peer, a packet or
/// an argument must never be able to reach it: those get a Result.
#define SKYSOCK_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::skysock::check_failed(#condition, __FILE__, __LINE__))
