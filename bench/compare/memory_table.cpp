#include "bench/compare/memory_table.hpp"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace skysock::bench::compare {
namespace {

double mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

load::Outcome<std::uint64_t> parse_rss(const std::string& smaps_rollup) {
  std::istringstream lines(smaps_rollup);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    std::string unit;
    std::uint64_t kibibytes = 0;
    if (words >> key >> kibibytes >> unit && key == "Rss:" && unit == "kB") return kibibytes * 1024;
  }
  return std::unexpected(std::string("expected a line 'Rss: N kB'"));
}

load::Outcome<std::uint64_t> resident_bytes(pid_t pid) {
  const std::string path = fmt::format("/proc/{}/smaps_rollup", pid);
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  auto bytes = parse_rss(text.str());
  if (!bytes) return std::unexpected(fmt::format("{}: {}", path, bytes.error()));
  return bytes;
}

double bytes_per_connection(const MemoryUse& use, std::size_t connections) {
  // Signed: a server may have given memory back meanwhile.
  return (static_cast<double>(use.rss_held_bytes) - static_cast<double>(use.rss_before_bytes)) /
         static_cast<double>(connections);
}

std::string memory_text(const MemoryTable& table) {
  std::string text =
      fmt::format("\n{} idle connections, each after one message of 64 bytes\n", table.connections);
  text += fmt::format("{:<20} {:>12} {:>12} {:>17}\n", "server", "RSS 0, MiB", "RSS held, MiB",
                      "bytes/connection");
  for (const MemoryUse& use : table.servers) {
    text += fmt::format("{:<20} {:>12.2f} {:>12.2f} {:>17.0f}\n", use.server,
                        mebibytes(use.rss_before_bytes), mebibytes(use.rss_held_bytes),
                        bytes_per_connection(use, table.connections));
  }
  text +=
      fmt::format("a slot of skysock's socket table, used or not: {} bytes\n", table.slot_bytes);
  return text;
}

nlohmann::ordered_json memory_json(const MemoryTable& table) {
  nlohmann::ordered_json json = {{"connections", table.connections},
                                 {"slot_bytes", table.slot_bytes},
                                 {"servers", nlohmann::ordered_json::array()}};
  for (const MemoryUse& use : table.servers) {
    json["servers"].push_back(
        {{"name", use.server},
         {"rss_before_bytes", use.rss_before_bytes},
         {"rss_held_bytes", use.rss_held_bytes},
         {"bytes_per_connection", bytes_per_connection(use, table.connections)}});
  }
  return json;
}

}  // namespace skysock::bench::compare
