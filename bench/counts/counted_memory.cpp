// The allocator of the counted program: glibc's, and it counts. Being the program's own, it serves
// all libraries: operator new, Lua and the C library's users come here.

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <ctime>

#include "bench/counts/tally.hpp"

using skysock::bench::counts::count_allocation;

// NOLINTBEGIN: the names are glibc's.
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* __libc_calloc(std::size_t count, std::size_t size);
extern "C" void* __libc_realloc(void* memory, std::size_t size);
extern "C" void* __libc_memalign(std::size_t alignment, std::size_t size);
extern "C" void __libc_free(void* memory);

extern "C" void* malloc(std::size_t size) noexcept {
  count_allocation(size);
  return __libc_malloc(size);
}

extern "C" void* calloc(std::size_t count, std::size_t size) noexcept {
  count_allocation(count * size);
  return __libc_calloc(count, size);
}

extern "C" void* realloc(void* memory, std::size_t size) noexcept {
  if (size != 0) count_allocation(size);
  return __libc_realloc(memory, size);
}

extern "C" void* memalign(std::size_t alignment, std::size_t size) noexcept {
  count_allocation(size);
  return __libc_memalign(alignment, size);
}

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}

extern "C" int posix_memalign(void** memory, std::size_t alignment, std::size_t size) noexcept {
  *memory = memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}

extern "C" void free(void* memory) noexcept { __libc_free(memory); }

// Lua's seed of its hashes: with the same time the same strings collide in every run.
extern "C" std::time_t time(std::time_t* place) noexcept {
  constexpr std::time_t kFixed = 1'000'000'000;
  if (place != nullptr) *place = kFixed;
  return kFixed;
}
// NOLINTEND
