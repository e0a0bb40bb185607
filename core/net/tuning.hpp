#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace skysock {

/// What may be varied between two runs of the same server, with the values used when nothing is
/// said. Parsed from "key=value,..."; every key is a member's name. kTuningKeys in tuning.cpp lists
/// ranges and meanings.
struct Tuning {
  std::int64_t slots = 65'536;
  std::int64_t workers = 1;
  std::int64_t max_events = 256;
  std::int64_t accept_batch = 64;
  std::int64_t backlog = 4096;
  std::int64_t read_buffer_bytes = 65'536;
  std::int64_t reads_per_event = 16;
  std::int64_t bytes_per_event = 262'144;
  std::int64_t nodelay = 1;
  std::int64_t accept_timeout_ms = 60'000;
  std::int64_t drain_timeout_ms = 60'000;
  std::int64_t linger_ms = 1'000;
  std::int64_t linger_bytes = 1'048'576;
  std::int64_t linger_sockets = 1'024;

  bool operator==(const Tuning&) const = default;
};

/// Applies "key=value,..." to the defaults; "" gives the defaults.
/// Errors: a sentence that names the key or value and what was expected.
std::expected<Tuning, std::string> parse_tuning(std::string_view text);

/// Every key with default, range and meaning, one line each.
std::string tuning_help();

/// The tuning as text that parse_tuning() reads back to the same value.
std::string tuning_text(const Tuning& tuning);

}  // namespace skysock
