// The plain epoll server as a program, so that any load tool can be pointed at the baseline.

#include "bench/peers/raw_epoll.hpp"
#include "bench/peers/server_options.hpp"

using namespace skysock;

int main(int argc, char** argv) {
  return bench::run_server(
      "raw_epoll_server",
      "A plain level-triggered epoll server: the baseline of skysock's benchmarks.", argc, argv,
      [] { return load::Outcome<void>(); }, bench::serve_raw_epoll);
}
