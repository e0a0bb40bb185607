// The plain epoll server as a program, so that any load tool can be pointed at the baseline.

#include <fmt/format.h>
#include <sys/signalfd.h>

#include "bench/peers/raw_epoll.hpp"
#include "bench/peers/server_options.hpp"

using namespace skysock;

int main(int argc, char** argv) {
  CLI::App app("A plain level-triggered epoll server: the baseline of skysock's benchmarks.",
               "raw_epoll_server");
  bench::ServerOptions options;
  bench::add_server_options(app, options,
                            {{"echo", bench::ServerMode::echo},
                             {"sink", bench::ServerMode::sink},
                             {"source", bench::ServerMode::source}});
  if (const int code = bench::parse_command_line(app, argc, argv); code >= 0) return code;

  const sigset_t signals = bench::block_end_signals();
  const load::Fd stop(signalfd(-1, &signals, SFD_CLOEXEC));
  const auto listener = bench::listen_on(options.host, options.port);
  if (!listener) {
    fmt::print(stderr, "raw_epoll_server: {}\n", listener.error());
    return 1;
  }
  fmt::print("listening on {}:{}\n", options.host, bench::port_of(*listener));
  std::fflush(stdout);
  const auto served = bench::serve_raw_epoll(*listener, stop.get(), options.mode);
  if (served) return 0;
  fmt::print(stderr, "raw_epoll_server: {}\n", served.error());
  return 1;
}
