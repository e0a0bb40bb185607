#include "core/net/tuning.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <vector>

namespace skysock {
namespace {

struct Key {
  std::string_view name;
  std::int64_t Tuning::* member;
  std::int64_t min;
  std::int64_t max;
  std::string_view meaning;
  std::string_view why;         ///< Why the default is what it is.
  std::string_view words = {};  ///< Names of the values from `min` on, separated by spaces.
  bool power_of_two = false;
};

constexpr std::int64_t kDayMs = 24LL * 60 * 60 * 1000;

constexpr std::array kTuningKeys = {
    Key{"slots", &Tuning::slots, 2, 1 << 20, "sockets at most, unstarted ones included",
        "skynet's"},
    Key{"workers", &Tuning::workers, 0, 64,
        "threads that run services; 0 = services run to completion on the reactor thread",
        "one slow service must not stop the reactor"},
    Key{"reactor_yields", &Tuning::reactor_yields, 0, 1,
        "1 = with workers, a reactor that has something to read does not interrupt a worker on its "
        "core (SCHED_BATCH)",
        "fewer switches, larger batches: see bench/README.md"},
    Key{"poller", &Tuning::poller, 0, 2,
        "epoll, level- or edge-triggered, or io_uring (Linux 6.1; epoll_lt where it cannot be had)",
        "see bench/README.md", "epoll_lt epoll_et io_uring"},
    Key{"max_events", &Tuning::max_events, 1, 65'536, "events taken by one wait",
        "see bench/README.md"},
    Key{"busy_poll_us", &Tuning::busy_poll_us, 0, 1'000'000,
        "before it sleeps, the reactor asks again and again for this long; 0 = it sleeps at once",
        "asking takes a whole core"},
    Key{"control", &Tuning::control, 0, 1, "how control packets travel", "see bench/README.md",
        "ring pipe"},
    Key{"ring_bytes",
        &Tuning::ring_bytes,
        16'384,
        1 << 30,
        "size of the ring of control packets, a power of two",
        "room for 40,000 sends",
        {},
        true},
    Key{"ctrl_every_event", &Tuning::ctrl_every_event, 0, 1,
        "1 = look for commands between any two events, 0 = between batches", "see bench/README.md"},
    Key{"accept_batch", &Tuning::accept_batch, 1, 4'096, "accepts per listener event",
        "see bench/README.md"},
    Key{"backlog", &Tuning::backlog, 1, 65'535, "listen backlog; the system's limit applies too",
        "the system's limit decides"},
    Key{"first_read_bytes",
        &Tuning::first_read_bytes,
        64,
        16 << 20,
        "size of a socket's first read, a power of two; the next ones follow its traffic (epoll "
        "only)",
        "one page",
        {},
        true},
    Key{"read_buffer_bytes",
        &Tuning::read_buffer_bytes,
        64,
        16 << 20,
        "size of one read at most, a power of two; io_uring reads 16384 at most",
        "see bench/README.md",
        {},
        true},
    Key{"reads_per_event", &Tuning::reads_per_event, 1, 1'024,
        "reads of one socket before the others get a turn", "bounds the wait of the others"},
    Key{"bytes_per_event", &Tuning::bytes_per_event, 64, 1 << 30,
        "bytes of one socket before the others get a turn", "bounds the wait of the others"},
    Key{"direct_write", &Tuning::direct_write, 0, 1,
        "1 = a send with nothing pending is written on the sender's thread (io_uring: on the "
        "reactor's "
        "thread, together with others)",
        "see bench/README.md"},
    Key{"nodelay", &Tuning::nodelay, 0, 1, "TCP_NODELAY on every stream socket",
        "messages of a game are small and urgent"},
    Key{"keepalive", &Tuning::keepalive, 0, 1, "SO_KEEPALIVE on every stream socket", "skynet's"},
    Key{"send_buffer_bytes", &Tuning::send_buffer_bytes, 0, 1 << 30,
        "SO_SNDBUF of every stream socket; 0 = the system's", "the system adapts it"},
    Key{"receive_buffer_bytes", &Tuning::receive_buffer_bytes, 0, 1 << 30,
        "SO_RCVBUF of every stream socket; 0 = the system's", "the system adapts it"},
    Key{"output_limit_bytes", &Tuning::output_limit_bytes, 1, 0x7FFF'FFFF,
        "unsent output of one socket at most", "a peer that never reads must not eat the memory"},
    Key{"output_limit_policy", &Tuning::output_limit_policy, 0, 1,
        "what happens to a send beyond output_limit_bytes", "the service decides", "refuse abort"},
    Key{"abort", &Tuning::abort, 0, 1, "what the peer sees of an abortive close",
        "what the kernel took is still delivered", "fin rst"},
    Key{"connect_timeout_ms", &Tuning::connect_timeout_ms, 0, kDayMs,
        "time to resolve and connect; 0 = the kernel's", "skynet's"},
    Key{"idle_timeout_ms", &Tuning::idle_timeout_ms, 0, kDayMs,
        "a connection silent for this long is closed; 0 = never", "skynet's"},
    Key{"accept_timeout_ms", &Tuning::accept_timeout_ms, 0, kDayMs,
        "an accepted socket that nobody started is closed after this; 0 = never", "nobody owns it"},
    Key{"drain_timeout_ms", &Tuning::drain_timeout_ms, 0, kDayMs,
        "a closed socket may take this long to send its rest; 0 = for ever",
        "a peer that stopped reading"},
    Key{"linger_ms", &Tuning::linger_ms, 0, kDayMs,
        "after a close, wait for the peer's end this long; 0 = do not",
        "the peer sees every byte, then EOF"},
    Key{"linger_bytes", &Tuning::linger_bytes, 0, 1 << 30,
        "after a close, read and drop this much at most; 0 = do not wait",
        "bounds what a peer can make us read"},
    Key{"watchdog_ms", &Tuning::watchdog_ms, 0, kDayMs,
        "a service busy with one message for this long is named; 0 = never", "skynet's"},
    Key{"linger_sockets", &Tuning::linger_sockets, 0, 1 << 20, "sockets that linger at a time",
        "bounds what closed sockets hold"},
};

/// The words of a key, if its values have names.
std::vector<std::string_view> words_of(const Key& key) {
  std::vector<std::string_view> words;
  for (std::string_view rest = key.words; !rest.empty();) {
    const std::size_t space = rest.find(' ');
    words.push_back(rest.substr(0, space));
    rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
  }
  return words;
}

std::string value_text(const Key& key, std::int64_t value) {
  const std::vector<std::string_view> words = words_of(key);
  return words.empty() ? std::to_string(value)
                       : std::string(words[static_cast<std::size_t>(value - key.min)]);
}

std::string range_text(const Key& key) {
  if (!key.words.empty()) return fmt::format("one of: {}", fmt::join(words_of(key), ", "));
  return fmt::format("a whole number from {} to {}{}", key.min, key.max,
                     key.power_of_two ? ", a power of two" : "");
}

std::optional<std::int64_t> parse_value(const Key& key, std::string_view text) {
  const std::vector<std::string_view> words = words_of(key);
  if (!words.empty()) {
    const auto word = std::ranges::find(words, text);
    if (word == words.end()) return std::nullopt;
    return key.min + (word - words.begin());
  }
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number = code == std::errc{} && end == text.data() + text.size();
  if (!number || value < key.min || value > key.max) return std::nullopt;
  if (key.power_of_two && !std::has_single_bit(static_cast<std::uint64_t>(value))) {
    return std::nullopt;
  }
  return value;
}

std::string all_names() {
  std::array<std::string_view, kTuningKeys.size()> names;
  std::ranges::transform(kTuningKeys, names.begin(), &Key::name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::expected<void, std::string> apply(Tuning& tuning, std::string_view item) {
  const std::size_t equals = item.find('=');
  const std::string_view name = item.substr(0, equals);
  const auto key = std::ranges::find(kTuningKeys, name, &Key::name);
  if (key == kTuningKeys.end()) {
    return std::unexpected(
        fmt::format("tuning: no key '{}'; expected one of: {}", name, all_names()));
  }
  if (equals == std::string_view::npos) {
    return std::unexpected(fmt::format("tuning: {} has no value; expected {}=, and behind it {}",
                                       name, name, range_text(*key)));
  }
  const std::string_view text = item.substr(equals + 1);
  const std::optional<std::int64_t> value = parse_value(*key, text);
  if (!value) {
    return std::unexpected(
        fmt::format("tuning: {} is '{}'; expected {}", name, text, range_text(*key)));
  }
  tuning.*key->member = *value;
  return {};
}

}  // namespace

std::string_view to_text(PollerKind kind) {
  const auto key = std::ranges::find(kTuningKeys, "poller", &Key::name);
  return words_of(*key)[static_cast<std::size_t>(kind)];
}

std::string fallback_text(const PollerInUse& poller) {
  if (!poller.why_no_uring) return {};
  return fmt::format("poller=io_uring cannot be had here ({}): {} is used instead",
                     poller.why_no_uring.message(), to_text(poller.kind));
}

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
  std::string text =
      "keys of --tuning key=value,...\n"
      "  key                  default     values; meaning (why this default)\n";
  for (const Key& key : kTuningKeys) {
    text +=
        fmt::format("  {:<20} {:<11} {}; {} ({})\n", key.name,
                    value_text(key, defaults.*key.member), range_text(key), key.meaning, key.why);
  }
  return text;
}

std::string tuning_text(const Tuning& tuning) {
  std::string text;
  for (const Key& key : kTuningKeys) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", key.name,
                        value_text(key, tuning.*key.member));
  }
  return text;
}

}  // namespace skysock
