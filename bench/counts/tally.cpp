#include "bench/counts/tally.hpp"

#include <valgrind/callgrind.h>

namespace skysock::bench::counts {

void enter_server() {
  side = Side::server;
  CALLGRIND_TOGGLE_COLLECT;
}

void leave_server() {
  CALLGRIND_TOGGLE_COLLECT;
  side = Side::none;
}

}  // namespace skysock::bench::counts
