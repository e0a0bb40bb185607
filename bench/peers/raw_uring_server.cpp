// The plain io_uring server as a program, so that any load tool can be pointed at it.

#include "bench/peers/raw_uring.hpp"
#include "bench/peers/server_options.hpp"

using namespace skysock;

int main(int argc, char** argv) {
  return bench::run_server("raw_uring_server",
                           "A plain io_uring server: the second baseline of skysock's benchmarks.",
                           argc, argv, bench::check_uring, bench::serve_raw_uring);
}
