#include "core/sim/no_real_world.hpp"

#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "core/base/check.hpp"

namespace skysock {
namespace {

thread_local int worlds = 0;

void check() {
  const bool kNothingRealInASimulatedWorld = worlds == 0;
  SKYSOCK_CHECK(kNothingRealInASimulatedWorld);
}

}  // namespace

NoRealWorld::NoRealWorld() { ++worlds; }
NoRealWorld::~NoRealWorld() { --worlds; }

}  // namespace skysock

// In the place of libc's, which the system calls themselves make up for.
extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  skysock::check();
  return static_cast<int>(syscall(SYS_clock_gettime, clock, now));
}

int gettimeofday(timeval* now, void*) noexcept {
  skysock::check();
  return static_cast<int>(syscall(SYS_gettimeofday, now, nullptr));
}

time_t time(time_t* now) noexcept {
  skysock::check();
  timespec read{};
  syscall(SYS_clock_gettime, CLOCK_REALTIME_COARSE, &read);
  if (now != nullptr) *now = read.tv_sec;
  return read.tv_sec;
}

int nanosleep(const timespec* wanted, timespec* left) {
  skysock::check();
  return static_cast<int>(syscall(SYS_nanosleep, wanted, left));
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* wanted, timespec* left) {
  skysock::check();
  return syscall(SYS_clock_nanosleep, clock, flags, wanted, left) == 0 ? 0 : errno;
}

ssize_t getrandom(void* into, size_t bytes, unsigned flags) {
  skysock::check();
  return syscall(SYS_getrandom, into, bytes, flags);
}

int getentropy(void* into, size_t bytes) {
  return getrandom(into, bytes, 0) == static_cast<ssize_t>(bytes) ? 0 : -1;
}

}  // extern "C"
