#pragma once

// What all benchmarks of a server share: start it, check an answer, time batches, say what the CPUs
// did, end it, and turn every failure into an error that main() cannot overlook.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/peers/listener.hpp"
#include "bench/server_process.hpp"

namespace skysock::bench {

enum class ServerKind : std::uint8_t { skysock, lua, raw_epoll };

/// The part of a benchmark's name that says which server it is about.
std::string name_of(ServerKind kind);

/// Ends the benchmark as failed and makes the program's exit code 1.
void fail(benchmark::State& state, const std::string& reason);

/// What the benchmarks whose names begin with `family` ask.
struct Described {
  std::string group;  ///< The heading of --list.
  std::string family;
  std::string question;
};

/// One line of --list. Whatever registers benchmarks describes them; a benchmark that no family
/// describes is an error of --list.
void describe(std::string group, std::string family, std::string question);

/// In the order in which they were described.
const std::vector<Described>& described();

/// The values of one argument: `few`, or `all` with --full.
std::vector<std::int64_t> values(std::vector<std::int64_t> few, std::vector<std::int64_t> all);

/// Benchmarks that failed so far.
int failures();

/// Starts a server on a free loopback port, where the placement says. Requires: lua only echoes.
load::Outcome<ServerProcess> start_server(ServerKind kind, ServerMode mode);

/// What one side used between construction and report(). Construct it just before the timed loop.
class CpuMeter {
 public:
  explicit CpuMeter(const ServerProcess& server);
  /// Adds items_per_second, server_cpu_us_per_operation and client_cpu_us_per_operation.
  void report(benchmark::State& state, std::uint64_t operations) const;

 private:
  const ServerProcess& server_;
  std::chrono::nanoseconds server_start_;
  std::chrono::nanoseconds client_start_;
};

/// One benchmark run against a fresh server: `open(server)` connects and checks (Outcome<Load>),
/// `batch(load)` does and checks `operations` operations (anything with .error()), `finish(load)`
/// adds counters of its own.
template <typename Open, typename Batch, typename Finish>
void run_against_server(benchmark::State& state, ServerKind kind, ServerMode mode,
                        std::uint64_t operations, Open&& open, Batch&& batch, Finish&& finish) {
  auto server = start_server(kind, mode);
  if (!server) return fail(state, server.error());
  {
    auto load = open(*server);
    if (!load) return fail(state, load.error());
    // The answer is checked, and the caches are warm, before anything is timed.
    if (const auto checked = batch(*load); !checked) return fail(state, checked.error());
    const CpuMeter meter(*server);
    for (auto _ : state) {
      if (const auto done = batch(*load); !done) {
        fail(state, done.error());
        break;
      }
    }
    if (state.error_occurred()) return;
    meter.report(state, operations * static_cast<std::uint64_t>(state.iterations()));
    finish(*load);
  }
  if (const auto stopped = server->stop(); !stopped) fail(state, stopped.error());
}

void register_accept();
void register_control_channel();
void register_control_packet();
void register_dispatch();
void register_echo();
void register_forward_call();
void register_forward_message();
void register_hand_off();
void register_lua();
void register_mailbox();
void register_resolver();
void register_seam();
void register_service();
void register_slot_table();
void register_timer();
void register_write_queue();

}  // namespace skysock::bench
