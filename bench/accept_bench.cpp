// How many short connections does a server take per second: connect, one byte each way, the client
// closes with FIN? Leaves out TLS, idle connections and clients that vanish.

#include "bench/harness.hpp"
#include "bench/load/accept_load.hpp"

namespace skysock::bench {
namespace {

constexpr std::size_t kInFlight = 16;
constexpr std::uint64_t kBatch = 256;  // The last ones of a batch overlap less; 256 hides that.

void BM_Accept(benchmark::State& state, ServerKind kind) {
  run_against_server(
      state, kind, ServerMode::echo, kBatch,
      [](const ServerProcess& server) {
        return load::AcceptLoad::open({.port = server.port(), .in_flight = kInFlight});
      },
      [](load::AcceptLoad& load) { return load.run(kBatch); }, [](const load::AcceptLoad&) {});
}

}  // namespace

void register_accept() {
  describe("macro: servers as processes, beside plain epoll", "BM_Accept",
           "short connections: connect, one byte each way, FIN by the client");
  for (const ServerKind kind : {ServerKind::skysock, ServerKind::lua, ServerKind::raw_epoll}) {
    const std::string name = "BM_Accept/" + name_of(kind);
    benchmark::RegisterBenchmark(name.c_str(), BM_Accept, kind)->UseRealTime();
  }
}

}  // namespace skysock::bench
