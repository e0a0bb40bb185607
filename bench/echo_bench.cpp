// How many messages does a server send back per second, and what does each cost it, alone on one
// connection (latency) and with 64 connections in step (throughput)? Every byte is compared. Leaves
// out pipelining: each connection waits for its answer before it sends again.

#include "bench/harness.hpp"
#include "bench/load/echo_load.hpp"

namespace skysock::bench {
namespace {

void BM_Echo(benchmark::State& state, ServerKind kind) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const auto connections = static_cast<std::size_t>(state.range(1));
  const std::uint64_t batch = connections == 1 ? 64 : 8 * connections;
  run_against_server(
      state, kind, ServerMode::echo, batch,
      [&](const ServerProcess& server) {
        return load::EchoLoad::open(
            {.port = server.port(), .connections = connections, .bytes = bytes});
      },
      [&](load::EchoLoad& load) { return load.run(batch); }, [](const load::EchoLoad&) {});
  state.SetBytesProcessed(static_cast<std::int64_t>(batch * bytes) *
                          static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

void register_echo() {
  describe("macro: servers as processes, beside plain epoll", "BM_Echo",
           "messages sent back: 1 connection is latency, 64 in step are throughput");
  for (const ServerKind kind : {ServerKind::skysock, ServerKind::lua, ServerKind::raw_epoll}) {
    const std::string name = "BM_Echo/" + name_of(kind);
    benchmark::RegisterBenchmark(name.c_str(), BM_Echo, kind)
        ->ArgNames({"bytes", "connections"})
        ->ArgsProduct({values({64, 16'384}, {64, 1'024, 4'096, 16'384, 65'536}),
                       values({1, 64}, {1, 16, 64, 1'000})})
        ->UseRealTime();
  }
}

}  // namespace skysock::bench
