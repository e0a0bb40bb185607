#include "bench/compare/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "bench/load/connect_group.hpp"
#include "core/base/check.hpp"

namespace skysock::bench::compare {
namespace {

constexpr std::uint64_t kCountedBlocks = 16'000;  // 250 MiB; 16 send buffers hold 64 MiB.

constexpr std::uint64_t kCountedCopies = 20'000;  // Of at least 20 messages, at most 200.

constexpr LoadTraits kTraits[] = {
    {LoadKind::echo, "echo", "message", true},
    {LoadKind::open_loop, "echo", "message", false},
    {LoadKind::accept, "echo", "connection", false},
    {LoadKind::accept_rst, "echo", "connection", false},
    {LoadKind::accept_burst, "echo", "connection", false},
    {LoadKind::connect, "connect", "connection", false},
    {LoadKind::ingest, "sink", "message", false},
    {LoadKind::blast, "source", "block", false, kCountedBlocks, kCountedBlocks},
    {LoadKind::blast_slow, "source", "block", false, kCountedBlocks, kCountedBlocks},
    {LoadKind::broadcast, "broadcast", "copy", true, kCountedCopies},
    {LoadKind::udp_echo, "udp_echo", "datagram", false},
    {LoadKind::idle, "echo", "second", true, 0}};

// No more than the shortest accept queue in use takes, and enough to keep a server busy.
constexpr std::size_t kAcceptsInFlight = load::kConnectGroup;

// What may be in flight at once: sockets of one machine share `net.ipv4.tcp_mem`, 1.1 GiB of
// 24 GiB, and a message is in two buffers.
constexpr std::size_t kInFlightBytesMax = std::size_t{256} << 20;

std::vector<Scenario> chosen_scenarios() {
  using enum LoadKind;
  constexpr std::size_t k16KiB = 16'384;
  return {
      {"echo_64x64B", echo, 64, 64, "a small message, many at a time"},
      {"echo_64x16KiB", echo, 64, k16KiB, "a large message: copies"},
      {"echo_1000x64B", echo, 1'000, 64, "more connections than one wait gives"},
      {"echo_10000x64B", echo, 10'000, 64, "state that no longer fits a cache"},
      {"echo_1x64B", echo, 1, 64, "latency: nothing to share a wake-up with"},
      {"echo_100x64B", echo, 100, 64, "the scenario of the syscall budgets", 1, 0, true},
      {"echo_64x64B_depth16", echo, 64, 64, "pipelined: several messages per read", 16},
      {"open_loop_50", open_loop, 64, 64, "latency at half of the first server's peak", 1, 0.5},
      {"open_loop_80", open_loop, 64, 64, "latency at 80 % of the first server's peak", 1, 0.8},
      {"accept_echo1_close", accept, kAcceptsInFlight, 1,
       "connect, one byte each way, FIN by the client"},
      {"accept_rst_close", accept_rst, kAcceptsInFlight, 1,
       "connect, one byte each way, RST by the client"},
      {"accept_burst", accept_burst, 500, 1,
       "500 connects at once, which wait for accept together"},
      {"connect_out", connect, kAcceptsInFlight, 1, "the server connects, FIN by the peer"},
      {"ingest_64x64B", ingest, 64, 64, "one way to the server, small messages"},
      {"ingest_64x16KiB", ingest, 64, k16KiB, "one way to the server, large messages", 1, 0, true},
      {"blast_fast", blast, 16, k16KiB, "one way from the server, everybody reads"},
      {"blast_slow", blast_slow, 16, k16KiB, "the same, every other client reads slowly"},
      {"broadcast_100x64B", broadcast, 100, 64, "one message to 100, and accepts meanwhile"},
      {"broadcast_1000x64B", broadcast, 1'000, 64, "one message to 1,000, and accepts meanwhile", 1,
       0, true},
      {"udp_echo_64x64B", udp_echo, 64, 64, "datagrams of 64 sockets"},
      {"held_idle", idle, 10'000, 64, "what 10,000 connections cost while they say nothing"},
  };
}

/// The echo of every size, number of connections and depth, but for what cannot be in flight.
std::vector<Scenario> echo_matrix() {
  constexpr std::pair<std::size_t, const char*> kSizes[] = {
      {16, "16B"}, {64, "64B"}, {1'024, "1KiB"}, {16'384, "16KiB"}, {65'536, "64KiB"}};
  std::vector<Scenario> matrix;
  for (const std::size_t connections : {1U, 64U, 1'000U, 10'000U}) {
    for (const auto& [bytes, size] : kSizes) {
      for (const std::size_t depth : {1U, 16U}) {
        if (connections * bytes * depth > kInFlightBytesMax) continue;
        matrix.push_back({.name = fmt::format("echo_{}x{}{}", connections, size,
                                              depth == 1 ? "" : fmt::format("_depth{}", depth)),
                          .kind = LoadKind::echo,
                          .connections = connections,
                          .bytes = bytes,
                          .question = "a cell of size x connections x depth",
                          .depth = depth,
                          .full = true});
      }
    }
  }
  return matrix;
}

std::vector<Scenario> make_scenarios() {
  std::vector<Scenario> all = chosen_scenarios();
  for (Scenario& cell : echo_matrix()) {
    if (std::ranges::find(all, cell.name, &Scenario::name) == all.end()) {
      all.push_back(std::move(cell));
    }
  }
  return all;
}

std::string all_names() {
  std::string names;
  for (const Scenario& scenario : scenarios()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", scenario.name);
  }
  return names;
}

}  // namespace

const LoadTraits& traits_of(LoadKind kind) {
  const auto* found = std::ranges::find(kTraits, kind, &LoadTraits::kind);
  SKYSOCK_CHECK(found != std::end(kTraits));
  return *found;
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = make_scenarios();
  return all;
}

load::Outcome<std::vector<Scenario>> choose_scenarios(const std::string& names, bool full) {
  std::vector<Scenario> chosen;
  if (names.empty()) {
    std::ranges::copy_if(scenarios(), std::back_inserter(chosen),
                         [&](const Scenario& scenario) { return full || !scenario.full; });
    return chosen;
  }
  std::istringstream words(names);
  for (std::string name; std::getline(words, name, ',');) {
    const auto found = std::ranges::find(scenarios(), name, &Scenario::name);
    if (found == scenarios().end()) {
      return std::unexpected(fmt::format("scenario '{}': expected one of {}", name, all_names()));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

std::string scenario_help() {
  std::string text;
  for (const Scenario& scenario : scenarios()) {
    text += fmt::format("  {:<24} per {:<16} {}{}\n", scenario.name, scenario.operation(),
                        scenario.question, scenario.full ? " (--full)" : "");
  }
  return text;
}

}  // namespace skysock::bench::compare
