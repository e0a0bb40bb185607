// How much one-way traffic gets from sockets through forward_message into a service, by message
// size, and what does the same stream cost a plain epoll server? Clients send each message with one
// send(2); the server may read several at once (`messages_per_read`, and that is what makes small
// ones cheap). BM_ForwardMessageCall is the hand-off alone: no kernel, no second thread.

#include <algorithm>
#include <vector>

#include "bench/harness.hpp"
#include "bench/stream/stream_load.hpp"
#include "core/service/mailbox.hpp"

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

constexpr std::size_t kCalls = 64;

constexpr ServiceHandle kService = 1;

/// What one batch from event to service brought.
struct Arrived {
  std::size_t messages = 0;
  std::size_t bytes = 0;
};

Arrived pass_events(Mailbox& mailbox, std::size_t bytes) {
  for (std::size_t call = 0; call < kCalls; ++call) {
    Event event{.kind = EventKind::data,
                .id = 1,
                .to = kService,
                .ud = static_cast<std::int64_t>(bytes),
                .data = Block(bytes)};
    benchmark::DoNotOptimize(event.data.bytes().data());
    mailbox.push(kService, forward_message(std::move(event)));
  }
  Arrived arrived;
  while (Message* message = mailbox.next()) {
    ++arrived.messages;
    arrived.bytes += std::get<SocketMessage>(message->payload).data.size();
    message->payload = std::monostate();
  }
  return arrived;
}

void BM_ForwardMessageCall(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  Mailbox mailbox;
  mailbox.open(kService);
  for (auto _ : state) {
    const Arrived arrived = pass_events(mailbox, bytes);
    if (arrived.bytes != kCalls * bytes || arrived.messages != kCalls) {
      fail(state, "messages or bytes were lost between forward_message and next");
      break;
    }
  }
  const auto calls = state.iterations() * static_cast<std::int64_t>(kCalls);
  state.SetItemsProcessed(calls);
  state.SetBytesProcessed(calls * state.range(0));
}

}  // namespace

void register_forward_message() {
  describe("macro: servers as processes, beside plain epoll", "BM_ForwardMessage",
           "one-way messages from sockets into a service, by size");
  describe("micro: service", "BM_ForwardMessageCall",
           "the hand-off alone: event, forward_message, mailbox, take");
  for (const ServerKind kind : {ServerKind::skysock, ServerKind::raw_epoll}) {
    const std::string name = "BM_ForwardMessage/" + name_of(kind);
    benchmark::RegisterBenchmark(name.c_str(), BM_ForwardMessage, kind)
        ->ArgName("bytes")
        ->ArgsProduct({kSizes})
        ->UseRealTime();
  }
  benchmark::RegisterBenchmark("BM_ForwardMessageCall", BM_ForwardMessageCall)
      ->ArgName("bytes")
      ->ArgsProduct({kSizes})
      ->UseRealTime();
}

}  // namespace skysock::bench
