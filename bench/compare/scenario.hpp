#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"

namespace skysock::bench::compare {

enum class LoadKind : std::uint8_t {
  echo,          ///< Every connection keeps `depth` messages in flight.
  open_loop,     ///< Messages come at a fixed rate, whether or not the server keeps up.
  accept,        ///< Connect, one byte each way, FIN by the client.
  accept_rst,    ///< The same, and the client ends with RST.
  accept_burst,  ///< All connects at once; the next ones when the last of them has ended.
  connect,       ///< The server connects; the load accepts.
  ingest,        ///< One-way messages to the server, which checks and counts them.
  blast,         ///< The server sends as fast as the clients read; a block is 16 KiB.
  blast_slow,    ///< The same, and every other client reads slowly.
  broadcast,     ///< One publishes to all, while others keep connecting.
  udp_echo,      ///< A datagram there and back on each socket.
  idle,          ///< Connections that say nothing.
};

/// What a kind of load needs and counts.
struct LoadTraits {
  LoadKind kind;
  const char* mode;  ///< Of the server.
  const char* operation;
  bool holds_connections;  ///< TCP connections that stay, so that each one's memory can be told.
  /// Of which system calls are counted; none: there are no operations. Enough that attaching and
  /// detaching do not show.
  std::uint64_t counted = 2'000;
  /// Of fewer the calls were made before: what is sent ahead is in the buffers of the kernel.
  std::uint64_t counted_min = 1;
};

const LoadTraits& traits_of(LoadKind kind);

/// What every server is put through. The names are keys of records: renaming one is a decision.
struct Scenario {
  std::string name;
  LoadKind kind = LoadKind::echo;
  std::size_t connections = 0;  ///< Accept, connect: in flight. Broadcast: subscribers.
  std::size_t bytes = 0;        ///< Per message.
  std::string question;
  std::size_t depth = 1;  ///< Messages in flight per connection.
  double peak_share = 0;  ///< Open loop: the rate, as a share of what a closed loop reaches.
  bool full = false;      ///< Only with --full, or when named.

  [[nodiscard]] const char* mode() const { return traits_of(kind).mode; }
  [[nodiscard]] const char* operation() const { return traits_of(kind).operation; }
};

/// All of them; the names are different.
const std::vector<Scenario>& scenarios();

/// The scenarios named in "NAME,NAME"; "" means all that are not `full`, or all with `full`. Error:
/// names the unknown one and lists all.
load::Outcome<std::vector<Scenario>> choose_scenarios(const std::string& names, bool full = false);

/// Every scenario with its question, one line each.
std::string scenario_help();

}  // namespace skysock::bench::compare
