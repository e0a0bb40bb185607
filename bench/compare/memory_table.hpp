#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"

namespace skysock::bench::compare {

/// The "Rss:" line of /proc/PID/smaps_rollup, in bytes. Error: there is none.
load::Outcome<std::uint64_t> parse_rss(const std::string& smaps_rollup);

/// Resident memory of a process, in bytes. Error: names the file of /proc that does not say.
load::Outcome<std::uint64_t> resident_bytes(pid_t pid);

/// What one server used.
struct MemoryUse {
  std::string server;
  std::uint64_t rss_before_bytes = 0;  ///< Idle, no connection yet.
  std::uint64_t rss_held_bytes = 0;    ///< All connections open and silent.
};

/// One number of connections, all servers.
struct MemoryTable {
  std::size_t connections = 0;
  std::vector<MemoryUse> servers;
  std::size_t slot_bytes = 0;  ///< Of skysock's socket table, for one socket, used or not.
};

double bytes_per_connection(const MemoryUse& use, std::size_t connections);

std::string memory_text(const MemoryTable& table);

nlohmann::ordered_json memory_json(const MemoryTable& table);

}  // namespace skysock::bench::compare
