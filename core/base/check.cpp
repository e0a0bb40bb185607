#include "core/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace skysock {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "skysock: %s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace skysock
