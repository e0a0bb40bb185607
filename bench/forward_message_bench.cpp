// How much one-way traffic gets from sockets through forward_message into a service, by message
// size, and what does the same stream cost a plain epoll server? Clients send each message with one
// send(2); the server may read several at once (`messages_per_read`, and that is what makes small
// ones cheap). The hand-off alone is in forward_call_bench.cpp.

#include <algorithm>
#include <vector>

#include "bench/harness.hpp"
#include "bench/stream/stream_load.hpp"

namespace skysock::bench {
namespace {

constexpr std::size_t kConnections = 16;
const std::vector<std::int64_t> kSizes = {16, 64, 1024, 16'384, 65'536};

/// Messages per connection in a batch: 8 MiB in all, but neither so many that small ones take long
/// nor so few that waiting for the reports shows.
std::uint64_t batch_messages(std::size_t bytes) {
  return std::clamp<std::uint64_t>((std::uint64_t{8} << 20U) / bytes / kConnections, 8, 512);
}

void BM_ForwardMessage(benchmark::State& state, ServerKind kind) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const std::uint64_t batch = batch_messages(bytes) * kConnections;
  std::uint64_t chunks_before = 0;
  std::uint64_t batches = 0;
  run_against_server(
      state, kind, ServerMode::sink, batch,
      [&](const ServerProcess& server) {
        return StreamLoad::open({.port = server.port(),
                                 .connections = kConnections,
                                 .bytes = bytes,
                                 .batch_messages = batch_messages(bytes)});
      },
      [&](StreamLoad& load) {
        if (batches++ == 1) chunks_before = load.chunks();  // The first batch is not timed.
        return load.run();
      },
      [&](const StreamLoad& load) {
        state.counters["messages_per_read"] = static_cast<double>((batches - 1) * batch) /
                                              static_cast<double>(load.chunks() - chunks_before);
      });
  state.SetBytesProcessed(static_cast<std::int64_t>(batch * bytes) *
                          static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

void register_forward_message() {
  describe("macro: servers as processes, beside plain epoll", "BM_ForwardMessage",
           "one-way messages from sockets into a service, by size");
  for (const ServerKind kind : {ServerKind::skysock, ServerKind::raw_epoll}) {
    const std::string name = "BM_ForwardMessage/" + name_of(kind);
    benchmark::RegisterBenchmark(name.c_str(), BM_ForwardMessage, kind)
        ->ArgName("bytes")
        ->ArgsProduct({kSizes})
        ->UseRealTime();
  }
}

}  // namespace skysock::bench
