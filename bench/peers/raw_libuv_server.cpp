// The libuv server as a program, so that any load tool can be pointed at it.

#include "bench/peers/raw_libuv.hpp"
#include "bench/peers/server_options.hpp"

using namespace skysock;

int main(int argc, char** argv) {
  return bench::run_server(
      "raw_libuv_server", "A plain server on libuv, to compare skysock with.", argc, argv,
      [] { return load::Outcome<void>(); }, bench::serve_raw_libuv);
}
