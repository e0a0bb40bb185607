#pragma once

namespace skysock {

/// While one lives, code on its thread that looks at the real clock, sleeps or asks for real
/// randomness fails a CHECK: in a simulated world equal calls would not give equal worlds. Seen is
/// what goes through libc: clock_gettime(2), which std::chrono calls, gettimeofday(2), time(2),
/// nanosleep(2), clock_nanosleep(2), getrandom(2), getentropy(3). Not seen: the processor's own
/// instructions, as std::random_device may use.
///
/// A program that uses it has these functions from no_real_world.cpp, on every thread.
class NoRealWorld {
 public:
  NoRealWorld();
  ~NoRealWorld();
  NoRealWorld(const NoRealWorld&) = delete;
  NoRealWorld& operator=(const NoRealWorld&) = delete;
};

}  // namespace skysock
