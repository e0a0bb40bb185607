// What does a control packet of each type cost a whole server: given, carried through the channel,
// decoded, carried out? 64 are given, then the same thread polls, so no thread waits for another;
// what a type needs from the kernel is included, and a pair of types where one undoes the other.
// BM_DispatchSenders has 1, 2 and 4 threads that give a packet which costs next to nothing to carry
// out. Leaves out X, which ends the server.

#include <atomic>
#include <thread>
#include <vector>

#include "bench/harness.hpp"
#include "bench/micro/command_server.hpp"
#include "bench/micro/dispatch_commands.hpp"
#include "bench/settings.hpp"
#include "core/base/check.hpp"

namespace skysock::bench {
namespace {

const std::string& name_of(ChannelKind kind) {
  static const std::string kRing = "ring";
  static const std::string kPipe = "pipe";
  return kind == ChannelKind::ring ? kRing : kPipe;
}

void BM_Dispatch(benchmark::State& state, const DispatchCommand& command, ChannelKind control) {
  auto server = CommandServer::create(control);
  if (!server) return fail(state, server.error());
  // The answer is checked, and the caches are warm, before anything is timed.
  if (const auto checked = command.batch(**server); !checked) return fail(state, checked.error());
  const std::uint64_t packets_before = (*server)->carried_out();
  for (auto _ : state) {
    if (const auto done = command.batch(**server); !done) return fail(state, done.error());
  }
  const std::uint64_t packets = (*server)->carried_out() - packets_before;
  const auto batches = static_cast<std::uint64_t>(state.iterations());
  if (packets != batches * (kDispatchBatch * command.packets + command.packets_beside)) {
    return fail(state, "packets were lost or doubled");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(batches * kDispatchBatch));
}

constexpr std::int64_t kSendersBatch = 100'000;  // Hides the start of the threads.

/// True when what `senders` threads gave was carried out, all of it.
load::Outcome<void> pass_batch(CommandServer& server, std::int64_t senders) {
  const std::uint64_t before = server.carried_out();
  std::atomic<bool> refused = false;
  std::vector<std::jthread> threads;
  for (std::int64_t sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&] {
      // This thread is the reactor and stays where it is: on the load's CPU.
      SKYSOCK_CHECK(pin_thread(settings().placement.server_cpu).has_value());
      for (std::int64_t packet = 0; packet < kSendersBatch / senders; ++packet) {
        const auto given = server.sockets().set_option(
            server.stream(), ConnectionOption::output_limit_bytes, packet + 1);
        if (!given) refused = true;
      }
    });
  }
  const auto done = server.carry_out(before + kSendersBatch);
  threads.clear();
  if (refused) return std::unexpected("a packet was refused");
  return done;
}

void BM_DispatchSenders(benchmark::State& state, ChannelKind control) {
  auto server = CommandServer::create(control);
  if (!server) return fail(state, server.error());
  if (const auto checked = pass_batch(**server, state.range(0)); !checked) {
    return fail(state, checked.error());
  }
  for (auto _ : state) {
    if (const auto done = pass_batch(**server, state.range(0)); !done) {
      return fail(state, done.error());
    }
  }
  state.SetItemsProcessed(kSendersBatch * static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

void register_dispatch() {
  describe("micro: control channel", "BM_Dispatch",
           "a packet given and carried out by a whole server, by its letter");
  describe("micro: control channel", "BM_DispatchSenders",
           "packets that 1, 2 and 4 threads give and a whole server carries out");
  for (const ChannelKind kind : {ChannelKind::ring, ChannelKind::pipe}) {
    for (const DispatchCommand& command : dispatch_commands()) {
      // Of the pipe two say enough: it adds the same to each.
      const bool chosen = kind == ChannelKind::ring || command.cheap || settings().full;
      if (!chosen) continue;
      const std::string name = "BM_Dispatch/" + name_of(kind) + "/" + command.name;
      benchmark::RegisterBenchmark(name.c_str(), BM_Dispatch, command, kind)->UseRealTime();
    }
  }
  for (const ChannelKind kind : {ChannelKind::ring, ChannelKind::pipe}) {
    benchmark::RegisterBenchmark(("BM_DispatchSenders/" + name_of(kind)).c_str(),
                                 BM_DispatchSenders, kind)
        ->ArgName("senders")
        ->ArgsProduct({values({1, 2, 4}, {1, 2, 4, 8})})
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  }
}

}  // namespace skysock::bench
