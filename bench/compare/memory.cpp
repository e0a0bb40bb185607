// skysock-bench --memory: how much memory does a server use per idle connection? Leaves out the
// kernel's socket buffers, which are the same for every server, and connections with unsent output.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/compare/commands.hpp"
#include "bench/compare/memory_table.hpp"
#include "bench/compare/options.hpp"
#include "bench/compare/progress.hpp"
#include "bench/load/echo_load.hpp"
#include "bench/run_record.hpp"
#include "core/net/socket_server.hpp"
#include "core/sys/linux.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;

constexpr std::chrono::milliseconds kDeadline{120'000};
constexpr std::chrono::milliseconds kHold{200};

struct MemoryOptions : Options {
  std::vector<std::size_t> connections = {10'000, 19'000};
};

constexpr const char* kProcedure =
    R"(
Procedure: a fresh server for each number of connections. Its resident memory (Rss of
/proc/PID/smaps_rollup) is read before the first connection, and again when all are open, have each
passed one checked message and have been silent for 0.2 s; the difference is divided by their
number. Then one more message passes on each: all were really held. skysock touches its whole table
of slots when it starts, so that a connection costs what it needs beyond its slot.

Exit codes: 0 measured; 1 a server failed or answered wrongly, its name is in the message; 2 wrong
command line; 6 this machine cannot run it (open files, io_uring).

Example: skysock-bench --memory --connections 10000 --json memory.json
)";

void add_options(CLI::App& app, MemoryOptions& options) {
  app.add_flag("--memory", options.command, "this command");
  app.add_option("--connections", options.connections, "connections to hold, one table each")
      ->delimiter(',')
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))
      ->type_name("N[,N...]")
      ->capture_default_str();
  add_common_options(app, options);
  app.footer(std::string(kServerHelp) + kProcedure);
}

/// Requires: `server` is fresh.
Outcome<MemoryUse> hold(const ServerProcess& server, const std::string& name,
                        std::size_t connections) {
  const auto before = resident_bytes(server.pid());
  if (!before) return std::unexpected(before.error());
  auto load = load::EchoLoad::open({.host = server.host(),
                                    .port = server.port(),
                                    .connections = connections,
                                    .deadline = kDeadline});
  if (!load) return std::unexpected(load.error());
  if (auto held = load->hold_for(kHold); !held) return std::unexpected(held.error());
  const auto held_bytes = resident_bytes(server.pid());
  if (!held_bytes) return std::unexpected(held_bytes.error());
  if (auto alive = load->run(connections); !alive) return std::unexpected(alive.error());
  return MemoryUse{name, *before, *held_bytes};
}

Outcome<MemoryUse> measure(const MemoryOptions& options, const Peer& peer,
                           std::size_t connections) {
  auto server = start(peer, "echo", options.placement.server_cpu);
  if (!server) return std::unexpected(server.error());
  auto use = hold(*server, peer.name, connections);
  if (!use) {
    return std::unexpected(
        fmt::format("server {}, {} connections: {}", peer.name, connections, use.error()));
  }
  if (auto stopped = server->stop(); !stopped) return std::unexpected(stopped.error());
  return use;
}

Outcome<void> measure_all(const MemoryOptions& options, nlohmann::ordered_json& record) {
  Progress progress(options.connections.size() * options.peers.size(), "servers");
  for (const std::size_t connections : options.connections) {
    MemoryTable table{.connections = connections,
                      .slot_bytes = SocketServer<LinuxSys>::slot_bytes()};
    for (const Peer& peer : options.peers) {
      const std::string what = fmt::format("{} connections, {}", connections, peer.name);
      progress.announce(what);
      auto use = measure(options, peer, connections);
      if (!use) return std::unexpected(use.error());
      table.servers.push_back(std::move(*use));
      progress.step(what);
    }
    progress.clear();
    fmt::print("{}", memory_text(table));
    std::fflush(stdout);
    record["tables"].push_back(memory_json(table));
  }
  return {};
}

}  // namespace

int memory_command(int argc, char** argv) {
  CLI::App app("Measures the memory of several servers per idle connection.",
               "skysock-bench --memory");
  MemoryOptions options;
  add_options(app, options);
  if (const int code = parse(app, options, argc, argv); code >= 0) return code;
  const auto room = allow_connections(std::ranges::max(options.connections));
  if (!room) return complain(kCannotRun, room.error());
  nlohmann::ordered_json record = new_record("memory");
  record["left_out"] = left_out_json(options);
  record["tables"] = nlohmann::ordered_json::array();
  auto done = measure_all(options, record);
  if (done) done = write_record(record, options.json);
  return done ? kPassed : complain(kFailed, done.error());
}

}  // namespace skysock::bench::compare
