#pragma once

// What a client process tells its parent: JSON lines over a pipe.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "stress/ledger.hpp"

namespace skysock::stress {

/// The client's counters so far. The last one of a client has `final_report` set: it ended by
/// itself.
struct Counters {
  Totals totals;
  std::uint64_t open = 0;        ///< Connections in progress now.
  std::uint64_t port_waits = 0;  ///< Times a connection waited because no local port was free.
  bool final_report = false;

  bool operator==(const Counters&) const = default;
};

using Report = std::variant<Counters, Finding>;

/// One line, ending in a newline.
std::string encode(const Report& report);
/// Reverses encode (with or without the newline). The error says what is wrong with the line.
std::expected<Report, std::string> decode(std::string_view line);

}  // namespace skysock::stress
