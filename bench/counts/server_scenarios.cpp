// The scenarios of a C++ service over TCP. The echo server is that of `skysock --native echo`.

#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "bench/counts/client.hpp"
#include "bench/counts/scenario.hpp"
#include "bench/counts/services.hpp"
#include "bench/counts/stream_steps.hpp"
#include "bench/counts/tally.hpp"

namespace skysock::bench::counts {
namespace {

/// A node with a service that is ready.
struct Node {
  std::unique_ptr<Stage> stage;
  std::shared_ptr<ServiceState> service;
};

Outcome<Node> node_with(const Scenario& scenario, Duty duty, Tuning tuning = {}) {
  tuning.poller = static_cast<std::int64_t>(scenario.poller);
  auto stage = Stage::open(tuning);
  if (!stage) return std::unexpected(stage.error());
  auto service = start_service((*stage)->runtime(), duty);
  if (!service) return std::unexpected(service.error());
  return Node{.stage = std::move(*stage), .service = std::move(*service)};
}

Outcome<void> echo(const Scenario& scenario, EchoSteps steps, Duty duty, std::uint64_t operations) {
  const auto node = node_with(scenario, duty);
  if (!node) return std::unexpected(node.error());
  steps.sends_at_wait = scenario.poller == PollerKind::io_uring;
  return echo_steps(*node->stage, steps, operations);
}

Outcome<void> accept(const Scenario& scenario, Ending ending, std::uint64_t operations) {
  const auto node = node_with(scenario, Duty::echo);
  if (!node) return std::unexpected(node.error());
  return accept_steps(*node->stage, ending, operations);
}

/// The first connection of a node. Locks its steps.
Outcome<Connection> first_connection(const Node& node, int receive_buffer = 0) {
  const auto listener = server_listener();
  if (!listener) return std::unexpected(listener.error());
  if (auto locked = node.stage->lock_step(); !locked) return std::unexpected(locked.error());
  return connect_to_server(*node.stage, *listener, receive_buffer);
}

/// Takes a block: all that the kernel took from the server, then lets it send on, and so on.
Outcome<void> take_block(Stage& stage, const Connection& connection, std::uint64_t written_before) {
  static std::array<std::byte, kBlockBytes> part;
  for (std::size_t got = 0; got < kBlockBytes;) {
    if (stage.runtime().sockets().counts().bytes_written - written_before == got) {
      if (auto room = wait_for(connection.server, POLLOUT); !room) return room;
      if (auto done = stage.step(); !done) return done;
      continue;
    }
    if (auto some = wait_for(connection.client.get(), POLLIN); !some) return some;
    const ssize_t count = recv(connection.client.get(), part.data(), part.size(), 0);
    if (count <= 0) return std::unexpected("client: the block ended early");
    for (ssize_t at = 0; at < count; ++at, ++got) {
      if (part[static_cast<std::size_t>(at)] == block_byte(got)) continue;
      return std::unexpected("client: a byte of the block is wrong");
    }
  }
  return {};
}

/// Gives packets as an owner does whose thread is not the reactor's.
Outcome<void> give_packets(Stage& stage, SocketId id, std::uint64_t packets, bool counted) {
  auto& sockets = stage.runtime().sockets();
  const std::uint64_t before = sockets.counts().packets;
  {
    const ServerTurn owner(counted);
    for (std::uint64_t packet = 0; packet < packets; ++packet) {
      if (!sockets.set_option(id, ConnectionOption::nodelay, 1)) {
        return std::unexpected("set_option was refused");
      }
    }
  }
  return stage.step_until([&] { return sockets.counts().packets >= before + packets; }, "packets");
}

}  // namespace

Outcome<void> accept_fin(const Scenario& scenario, std::uint64_t operations) {
  return accept(scenario, Ending::fin, operations);
}

Outcome<void> accept_rst(const Scenario& scenario, std::uint64_t operations) {
  return accept(scenario, Ending::rst, operations);
}

Outcome<void> echo_64B_1(const Scenario& scenario, std::uint64_t operations) {
  return echo(scenario, {}, Duty::echo, operations);
}

Outcome<void> echo_64B_100(const Scenario& scenario, std::uint64_t operations) {
  return echo(scenario, {.connections = 100}, Duty::echo, operations);
}

Outcome<void> echo_16KiB(const Scenario& scenario, std::uint64_t operations) {
  return echo(scenario, {.bytes = 16'384}, Duty::echo, operations);
}

Outcome<void> ingest_1KiB(const Scenario& scenario, std::uint64_t operations) {
  return echo(scenario, {.bytes = 1'024, .answered = false}, Duty::drop, operations);
}

Outcome<void> send_beyond_buffer(const Scenario& scenario, std::uint64_t operations) {
  constexpr std::uint64_t kWarm = 5;
  constexpr int kKernelBytes = 65'536;
  const auto node = node_with(scenario, Duty::block, {.send_buffer_bytes = kKernelBytes});
  if (!node) return std::unexpected(node.error());
  Stage& stage = *node->stage;
  const auto connection = first_connection(*node, kKernelBytes);
  if (!connection) return std::unexpected(connection.error());
  const std::byte ask{'b'};
  const ClientTurn turn;
  for (std::uint64_t done = 0; done < kWarm + operations; ++done) {
    if (done == kWarm) stage.begin();
    const std::uint64_t before = stage.runtime().sockets().counts().bytes_written;
    if (auto sent = send_all(connection->client.get(), std::span(&ask, 1)); !sent) return sent;
    if (auto there = wait_for_bytes(connection->server, 1); !there) return there;
    if (auto asked = stage.step(); !asked) return asked;
    if (auto taken = take_block(stage, *connection, before); !taken) return taken;
  }
  stage.end();
  return {};
}

Outcome<void> control_packet(const Scenario& scenario, std::uint64_t operations) {
  constexpr std::uint64_t kBatch = 100;
  if (operations % kBatch != 0) return std::unexpected("operations: expected a multiple of 100");
  const auto node = node_with(scenario, Duty::drop);
  if (!node) return std::unexpected(node.error());
  Stage& stage = *node->stage;
  const auto connection = first_connection(*node);
  if (!connection) return std::unexpected(connection.error());
  const SocketId id = node->service->last_started;
  for (std::uint64_t round = 0; round < kWarmRounds + operations / kBatch; ++round) {
    if (round == kWarmRounds) stage.begin();
    if (auto given = give_packets(stage, id, kBatch, round >= kWarmRounds); !given) return given;
  }
  stage.end();
  return {};
}

Outcome<void> udp_echo(const Scenario& scenario, std::uint64_t operations) {
  const auto node = node_with(scenario, Duty::udp_echo);
  if (!node) return std::unexpected(node.error());
  return datagram_steps(*node->stage, operations);
}

}  // namespace skysock::bench::counts
