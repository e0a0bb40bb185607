#pragma once

// Everything that is counted, under one flat list of names, for people and programs.

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "core/net/socket_server.hpp"
#include "core/service/runtime.hpp"

namespace skysock {

/// Every figure of SocketServerCounts and RuntimeCounts, and `closes`, the sum of the closes. A
/// static_assert in stats_text.cpp sees to it that none is forgotten.
inline constexpr std::size_t kCountTotal =
    (sizeof(SocketServerCounts) + sizeof(RuntimeCounts)) / sizeof(std::uint64_t) + 1;

using CountValues = std::array<std::uint64_t, kCountTotal>;

/// Members keep their names; packets_S, packets_DP, ... by kPacketLetters; closes_eof, ... by
/// to_text(Input); what a name alone would not say is prefixed (messages_dropped, worker_wakeups).
/// The strings live for ever.
const std::array<std::string, kCountTotal>& count_names();

/// The values, in the order of count_names(). Cost: no allocation.
CountValues count_values(const SocketServerCounts& sockets, const RuntimeCounts& runtime);

/// A table of every count: name, unit, meaning. Ends with a newline.
std::string stats_help();

/// A headline and lines of name=value. Packets and closes of a kind that did not happen are left
/// out. Ends with a newline.
std::string stats_text(const CountValues& counts, std::chrono::milliseconds uptime,
                       PollerKind poller);

/// One JSON object on one line: uptime_ms, poller, then every figure. Ends with a newline.
std::string stats_json(const CountValues& counts, std::chrono::milliseconds uptime,
                       PollerKind poller);

}  // namespace skysock
