#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <system_error>

namespace skysock {

enum class PollerKind : std::uint8_t { epoll_lt, epoll_et, io_uring };
/// As the tuning writes it.
std::string_view to_text(PollerKind kind);
/// Which poller a server has.
struct PollerInUse {
  PollerKind kind = PollerKind::epoll_lt;
  std::error_code why_no_uring;  ///< io_uring was asked for, and epoll_lt took its place.
};
/// What was asked for, why that cannot be, what takes its place; empty when nothing does.
std::string fallback_text(const PollerInUse& poller);

enum class ChannelKind : std::uint8_t { ring, pipe };
/// What happens to a send that would exceed the limit of queued output.
enum class LimitPolicy : std::uint8_t { refuse, abort };
/// What an abortive close sends: FIN after what the kernel took, or RST.
enum class AbortKind : std::uint8_t { fin, rst };

/// What may be varied between two runs of the same server, with the values used when nothing is
/// said. Parsed from "key=value,..."; every key is a member's name. kTuningKeys in tuning.cpp lists
/// ranges, meanings and why each default is what it is.
struct Tuning {
  std::int64_t slots = 65'536;
  std::int64_t workers = 1;
  std::int64_t reactor_yields = 1;
  std::int64_t poller = static_cast<std::int64_t>(PollerKind::epoll_lt);
  std::int64_t max_events = 256;
  std::int64_t busy_poll_us = 0;
  std::int64_t control = static_cast<std::int64_t>(ChannelKind::ring);
  std::int64_t ring_bytes = 1 << 20;
  std::int64_t ctrl_every_event = 1;
  std::int64_t accept_batch = 64;
  std::int64_t backlog = 65'535;
  std::int64_t first_read_bytes = 4'096;
  std::int64_t read_buffer_bytes = 65'536;
  std::int64_t reads_per_event = 16;
  std::int64_t bytes_per_event = 262'144;
  std::int64_t direct_write = 1;
  std::int64_t nodelay = 1;
  std::int64_t keepalive = 1;
  std::int64_t send_buffer_bytes = 0;
  std::int64_t receive_buffer_bytes = 0;
  std::int64_t output_limit_bytes = 64 << 20;
  std::int64_t output_limit_policy = static_cast<std::int64_t>(LimitPolicy::refuse);
  std::int64_t abort = static_cast<std::int64_t>(AbortKind::fin);
  std::int64_t connect_timeout_ms = 0;
  std::int64_t idle_timeout_ms = 0;
  std::int64_t accept_timeout_ms = 60'000;
  std::int64_t drain_timeout_ms = 60'000;
  std::int64_t linger_ms = 1'000;
  std::int64_t linger_bytes = 1'048'576;
  std::int64_t linger_sockets = 1'024;
  std::int64_t watchdog_ms = 5'000;

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
