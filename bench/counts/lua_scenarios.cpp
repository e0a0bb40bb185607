// The scenarios of Lua services: the same clients as those of C++ services have.

#include <algorithm>
#include <chrono>
#include <thread>

#include "bench/counts/scenario.hpp"
#include "bench/counts/stream_steps.hpp"
#include "lua/bindings/node.hpp"

namespace skysock::bench::counts {
namespace {

using load::Outcome;

const std::string kLua = SKYSOCK_SOURCE_DIR "/lua";

bool serves(Runtime& runtime) {
  return std::ranges::any_of(runtime.sockets().netstat(), [](const SocketInfo& socket) {
    return (socket.state == State::listening || socket.state == State::udp) && socket.reading;
  });
}

/// A node that runs `script`, when that has a listener or a datagram socket.
Outcome<std::unique_ptr<Stage>> with_script(const Scenario& scenario, const std::string& folder,
                                            const std::string& name) {
  auto stage = Stage::open({.poller = static_cast<std::int64_t>(scenario.poller)});
  if (!stage) return stage;
  Runtime& runtime = (*stage)->runtime();
  const auto node = lua::Node::make(
      runtime, {.lualib = kLua + "/lualib",
                .settings = {{"start", name},
                             {"lua_path", folder + "/?.lua"},
                             {"luaservice", kLua + "/service/?.lua;" + kLua + "/test/?.lua"}},
                .log_fd = STDOUT_FILENO});
  node->start(node->spawn_first(
      {.name = name, .path = folder + "/" + name + ".lua", .arguments = {"127.0.0.1", "0"}}));
  constexpr int kLooks = 10'000;
  for (int look = 0; look < kLooks && !node->failed(); ++look) {
    if (serves(runtime)) return stage;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::unexpected(name + ".lua has no socket on 127.0.0.1");
}

Outcome<void> echo(const Scenario& scenario, EchoSteps steps, std::uint64_t operations) {
  const auto stage = with_script(scenario, kLua + "/examples", "echo");
  if (!stage) return std::unexpected(stage.error());
  steps.sends_at_wait = scenario.poller == PollerKind::io_uring;
  return echo_steps(**stage, steps, operations);
}

}  // namespace

Outcome<void> lua_echo_64B_1(const Scenario& scenario, std::uint64_t operations) {
  return echo(scenario, {}, operations);
}

Outcome<void> lua_echo_64B_100(const Scenario& scenario, std::uint64_t operations) {
  return echo(scenario, {.connections = 100}, operations);
}

Outcome<void> lua_echo_16KiB(const Scenario& scenario, std::uint64_t operations) {
  return echo(scenario, {.bytes = 16'384}, operations);
}

Outcome<void> lua_accept_fin(const Scenario& scenario, std::uint64_t operations) {
  const auto stage = with_script(scenario, kLua + "/examples", "echo");
  if (!stage) return std::unexpected(stage.error());
  return accept_steps(**stage, Ending::fin, operations);
}

Outcome<void> lua_udp_echo(const Scenario& scenario, std::uint64_t operations) {
  const auto stage = with_script(scenario, SKYSOCK_SOURCE_DIR "/bench/counts", "datagram_echo");
  if (!stage) return std::unexpected(stage.error());
  return datagram_steps(**stage, operations);
}

Outcome<void> lua_gate_frame(const Scenario& scenario, std::uint64_t operations) {
  const auto stage = with_script(scenario, SKYSOCK_SOURCE_DIR "/bench/counts", "gate_echo");
  if (!stage) return std::unexpected(stage.error());
  return echo_steps(**stage, {.bytes = 66, .header = 2}, operations);
}

}  // namespace skysock::bench::counts
