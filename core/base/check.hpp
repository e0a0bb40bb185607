#pragma once

namespace skysock {

/// Prints `condition`, file and line to standard error and aborts. Never returns.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

#ifdef SKYSOCK_COVERAGE
/// The conditional of a check, out of the caller: the `coverage` preset would count its false side
/// as a branch that no test takes, which is what a check is.
constexpr void check_holds(bool condition, const char* text, const char* file, int line) {
  if (!condition) check_failed(text, file, line);
}
#endif

}  // namespace skysock

/// States what must be true whatever the outside world does; on in every build. A peer, a packet or
/// an argument must never be able to reach it: those get a Result.
#ifdef SKYSOCK_COVERAGE
#define SKYSOCK_CHECK(condition) \
  ::skysock::check_holds(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
#else
#define SKYSOCK_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::skysock::check_failed(#condition, __FILE__, __LINE__))
#endif
