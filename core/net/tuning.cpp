#include "core/net/tuning.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace skysock {
namespace {

struct Key {
  std::string_view name;
  std::int64_t Tuning::* member;
  std::int64_t min;
  std::int64_t max;
  std::string_view meaning;
};

constexpr std::int64_t kDayMs = 24LL * 60 * 60 * 1000;

constexpr std::array kTuningKeys = {
    Key{"slots", &Tuning::slots, 2, 1 << 20, "sockets at most, unstarted ones included"},
    Key{"workers", &Tuning::workers, 0, 64,
        "threads that run services; 0 = the reactor thread runs them"},
    Key{"watchdog_ms", &Tuning::watchdog_ms, 0, kDayMs,
        "a service inside one message for longer is named on stderr; 0 = never"},
    Key{"max_events", &Tuning::max_events, 1, 65'536, "events taken by one epoll_wait"},
    Key{"accept_batch", &Tuning::accept_batch, 1, 4'096, "accepts per listener event"},
    Key{"backlog", &Tuning::backlog, 1, 65'535, "listen backlog; the system's limit applies too"},
    Key{"read_buffer_bytes", &Tuning::read_buffer_bytes, 64, 16 << 20, "size of one read"},
    Key{"reads_per_event", &Tuning::reads_per_event, 1, 1'024,
        "reads of one socket before the others get a turn"},
    Key{"bytes_per_event", &Tuning::bytes_per_event, 64, 1 << 30,
        "bytes of one socket before the others get a turn"},
    Key{"nodelay", &Tuning::nodelay, 0, 1, "TCP_NODELAY on every stream socket"},
    Key{"accept_timeout_ms", &Tuning::accept_timeout_ms, 0, kDayMs,
        "an accepted socket that nobody started is closed after this; 0 = never"},
    Key{"drain_timeout_ms", &Tuning::drain_timeout_ms, 0, kDayMs,
        "a closed socket may take this long to send its rest; 0 = for ever"},
    Key{"linger_ms", &Tuning::linger_ms, 0, kDayMs,
        "after a close, wait for the peer's end this long; 0 = do not"},
    Key{"linger_bytes", &Tuning::linger_bytes, 0, 1 << 30,
        "after a close, read and drop this much at most"},
    Key{"linger_sockets", &Tuning::linger_sockets, 0, 1 << 20, "sockets that linger at a time"},
};

std::expected<void, std::string> apply(Tuning& tuning, std::string_view item) {
  const std::size_t equals = item.find('=');
  const std::string_view name = item.substr(0, equals);
  const auto key = std::ranges::find(kTuningKeys, name, &Key::name);
  if (key == kTuningKeys.end()) {
    return std::unexpected(fmt::format("tuning: no key '{}'; expected one of: {}", name,
                                       fmt::join(
                                           [] {
                                             std::array<std::string_view, kTuningKeys.size()> names;
                                             std::ranges::transform(kTuningKeys, names.begin(),
                                                                    &Key::name);
                                             return names;
                                           }(),
                                           ", ")));
  }
  const std::string_view digits =
      equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool number = code == std::errc{} && end == digits.data() + digits.size();
  if (!number || value < key->min || value > key->max) {
    return std::unexpected(fmt::format("tuning: {} is '{}'; expected a whole number from {} to {}",
                                       name, digits, key->min, key->max));
  }
  tuning.*key->member = value;
  return {};
}

}  // namespace

std::expected<Tuning, std::string> parse_tuning(std::string_view text) {
  Tuning tuning;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (const auto applied = apply(tuning, text.substr(0, comma)); !applied) {
      return std::unexpected(applied.error());
    }
    if (comma == text.size() - 1) {
      return std::unexpected(std::string("tuning: nothing follows the last comma"));
    }
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return tuning;
}

std::string tuning_help() {
  const Tuning defaults;
  std::string text = "keys of --tuning key=value,...\n";
  for (const Key& key : kTuningKeys) {
    text += fmt::format("  {:<18} default {:>6}, {} to {}: {}\n", key.name, defaults.*key.member,
                        key.min, key.max, key.meaning);
  }
  return text;
}

std::string tuning_text(const Tuning& tuning) {
  std::string text;
  for (const Key& key : kTuningKeys) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", key.name, tuning.*key.member);
  }
  return text;
}

}  // namespace skysock
