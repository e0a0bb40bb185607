#include "core/service/stats_text.hpp"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

namespace skysock {
namespace {

template <typename Counts>
struct Figure {
  std::string_view name;
  std::uint64_t Counts::* member;
};

using Sockets = Figure<SocketServerCounts>;
using Services = Figure<RuntimeCounts>;

constexpr std::array kConnections = {
    Sockets{"slots_used", &SocketServerCounts::slots_used},
    Sockets{"accepts", &SocketServerCounts::accepts},
    Sockets{"refused_accepts", &SocketServerCounts::refused_accepts},
};
constexpr std::array kTraffic = {
    Sockets{"bytes_read", &SocketServerCounts::bytes_read},
    Sockets{"bytes_written", &SocketServerCounts::bytes_written},
    Sockets{"datagrams_read", &SocketServerCounts::datagrams_read},
    Sockets{"datagrams_written", &SocketServerCounts::datagrams_written},
};
constexpr std::array kSends = {
    Sockets{"direct_writes", &SocketServerCounts::direct_writes},
    Sockets{"direct_remainders", &SocketServerCounts::direct_remainders},
    Sockets{"queued_sends", &SocketServerCounts::queued_sends},
    Sockets{"refused_sends", &SocketServerCounts::refused_sends},
    Sockets{"limited_sends", &SocketServerCounts::limited_sends},
    Sockets{"dropped_sends", &SocketServerCounts::dropped_sends},
    Sockets{"payloads_parked", &SocketServerCounts::payloads_parked},
    Sockets{"warnings", &SocketServerCounts::warnings},
};
constexpr std::array kReactor = {
    Sockets{"waits", &SocketServerCounts::waits},
    Sockets{"wakeups", &SocketServerCounts::wakeups},
    Sockets{"events", &SocketServerCounts::events},
    Sockets{"busy_polls", &SocketServerCounts::busy_polls},
    Sockets{"busy_polls_in_vain", &SocketServerCounts::busy_polls_in_vain},
    Sockets{"stale_events", &SocketServerCounts::stale_events},
    Sockets{"refused_events", &SocketServerCounts::refused_events},
};
constexpr std::array kControl = {
    Sockets{"packets", &SocketServerCounts::packets},
    Sockets{"control_signals", &SocketServerCounts::control_signals},
    Sockets{"control_full_waits", &SocketServerCounts::control_full_waits},
    Sockets{"control_reads", &SocketServerCounts::control_reads},
    Sockets{"decode_errors", &SocketServerCounts::decode_errors},
    Sockets{"stale_tokens", &SocketServerCounts::stale_tokens},
};
constexpr std::array kServices = {
    Services{"services", &RuntimeCounts::services},
    Services{"messages_delivered", &RuntimeCounts::delivered},
    Services{"messages_dropped", &RuntimeCounts::dropped},
    Services{"longest_mailbox", &RuntimeCounts::longest_mailbox},
    Services{"run_queue_length", &RuntimeCounts::run_queue_length},
    Services{"worker_wakeups", &RuntimeCounts::wakeups},
    Services{"timers_fired", &RuntimeCounts::timers_fired},
};

static_assert((kConnections.size() + kTraffic.size() + kSends.size() + kReactor.size() +
               kControl.size() + kPacketKindCount + kInputCount) *
                      sizeof(std::uint64_t) ==
                  sizeof(SocketServerCounts),
              "every figure of SocketServerCounts has a name");
static_assert(kServices.size() * sizeof(std::uint64_t) == sizeof(RuntimeCounts),
              "every figure of RuntimeCounts has a name");

/// A line of the text: `size` figures, in the order of count_names().
struct Group {
  std::string_view title;
  std::size_t size;
  bool all;  ///< Those that are 0, too.
};

constexpr std::array kGroups = {
    Group{"connections", kConnections.size() + 1, true},
    Group{"closes", kInputCount, false},
    Group{"traffic", kTraffic.size(), true},
    Group{"sends", kSends.size(), true},
    Group{"reactor", kReactor.size(), true},
    Group{"control", kControl.size(), true},
    Group{"packets", kPacketKindCount, false},
    Group{"services", kServices.size(), true},
};

/// Calls `figure(name, value)` for all, in order.
template <typename Each>
void for_each_figure(const SocketServerCounts& sockets, const RuntimeCounts& runtime, Each figure) {
  const auto all = [&](const auto& figures, const auto& counts) {
    for (const auto& [name, member] : figures) figure("", name, counts.*member);
  };
  const auto& closes = sockets.closes_by_input;
  all(kConnections, sockets);
  figure("", "closes", std::accumulate(closes.begin(), closes.end(), std::uint64_t{0}));
  for (std::size_t input = 0; input < kInputCount; ++input) {
    figure("closes_", to_text(static_cast<Input>(input)), closes[input]);
  }
  all(kTraffic, sockets);
  all(kSends, sockets);
  all(kReactor, sockets);
  all(kControl, sockets);
  for (std::size_t kind = 0; kind < kPacketKindCount; ++kind) {
    figure("packets_", kPacketLetters[kind], sockets.packets_by_kind[kind]);
  }
  all(kServices, runtime);
}

}  // namespace

const std::array<std::string, kCountTotal>& count_names() {
  static const auto names = [] {
    std::array<std::string, kCountTotal> made;
    auto next = made.begin();
    for_each_figure({}, {}, [&](std::string_view prefix, std::string_view name, std::uint64_t) {
      *next++ = fmt::format("{}{}", prefix, name);
    });
    return made;
  }();
  return names;
}

CountValues count_values(const SocketServerCounts& sockets, const RuntimeCounts& runtime) {
  CountValues values{};
  auto next = values.begin();
  for_each_figure(sockets, runtime, [&](std::string_view, std::string_view, std::uint64_t value) {
    *next++ = value;
  });
  return values;
}

std::string stats_text(const CountValues& counts, std::chrono::milliseconds uptime,
                       PollerKind poller) {
  std::string text = fmt::format("skysock: counts after {:.3f} s, poller {}\n",
                                 static_cast<double>(uptime.count()) / 1e3, to_text(poller));
  std::size_t at = 0;
  for (const Group& group : kGroups) {
    std::string line;
    for (const std::size_t end = at + group.size; at < end; ++at) {
      if (counts[at] == 0 && !group.all) continue;
      fmt::format_to(std::back_inserter(line), " {}={}", count_names()[at], counts[at]);
    }
    if (!line.empty()) text += fmt::format("  {:<12}{}\n", group.title, line);
  }
  return text;
}

std::string stats_json(const CountValues& counts, std::chrono::milliseconds uptime,
                       PollerKind poller) {
  nlohmann::ordered_json object;
  object["uptime_ms"] = uptime.count();
  object["poller"] = to_text(poller);
  for (std::size_t at = 0; at < counts.size(); ++at) object[count_names()[at]] = counts[at];
  return object.dump() + "\n";
}

}  // namespace skysock
