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
  std::string_view unit;
  std::string_view meaning;  ///< Goes on after the unit.
};

using Sockets = Figure<SocketServerCounts>;
using Services = Figure<RuntimeCounts>;

constexpr std::array kConnections = {
    Sockets{"slots_used", &SocketServerCounts::slots_used, "sockets",
            "open now, those that are being made or closed included"},
    Sockets{"accepts", &SocketServerCounts::accepts, "sockets", "connections accepted"},
    Sockets{"refused_accepts", &SocketServerCounts::refused_accepts, "sockets",
            "connections closed at once for want of a descriptor or a slot"},
};
constexpr std::array kTraffic = {
    Sockets{"bytes_read", &SocketServerCounts::bytes_read, "bytes",
            "read from streams and datagram sockets"},
    Sockets{"bytes_written", &SocketServerCounts::bytes_written, "bytes",
            "that the kernel took, from the reactor and from senders' threads"},
    Sockets{"datagrams_read", &SocketServerCounts::datagrams_read, "datagrams", "received"},
    Sockets{"datagrams_written", &SocketServerCounts::datagrams_written, "datagrams",
            "that the kernel took"},
};
constexpr std::array kSends = {
    Sockets{"direct_writes", &SocketServerCounts::direct_writes, "sends",
            "that the kernel took whole on the sender's thread"},
    Sockets{"direct_remainders", &SocketServerCounts::direct_remainders, "sends",
            "written on the sender's thread that left a rest for the reactor"},
    Sockets{"queued_sends", &SocketServerCounts::queued_sends, "sends",
            "given to the reactor, because something was pending or direct_write is 0"},
    Sockets{"refused_sends", &SocketServerCounts::refused_sends, "sends",
            "refused at once: unknown, closed or closing id"},
    Sockets{"limited_sends", &SocketServerCounts::limited_sends, "sends",
            "refused at once: beyond the limit of unsent output"},
    Sockets{"dropped_sends", &SocketServerCounts::dropped_sends, "sends",
            "whose bytes were freed later, because the socket could not take them"},
    Sockets{"payloads_parked", &SocketServerCounts::payloads_parked, "payloads",
            "on their way to the reactor now"},
    Sockets{"warnings", &SocketServerCounts::warnings, "messages", "about unsent output (WARNING)"},
};
constexpr std::array kReactor = {
    Sockets{"waits", &SocketServerCounts::waits, "calls", "of the poller"},
    Sockets{"wakeups", &SocketServerCounts::wakeups, "calls", "of the poller that found something"},
    Sockets{"events", &SocketServerCounts::events, "events", "that the poller found"},
    Sockets{"busy_polls", &SocketServerCounts::busy_polls, "times",
            "the reactor asked again and again before it slept (busy_poll_us)"},
    Sockets{"busy_polls_in_vain", &SocketServerCounts::busy_polls_in_vain, "times",
            "it had to sleep after all"},
    Sockets{"stale_events", &SocketServerCounts::stale_events, "events",
            "of a socket that was gone by then"},
    Sockets{"refused_events", &SocketServerCounts::refused_events, "events",
            "for an owner that was gone"},
};
constexpr std::array kControl = {
    Sockets{"packets", &SocketServerCounts::packets, "packets",
            "commands to the reactor, of all kinds"},
    Sockets{"control_signals", &SocketServerCounts::control_signals, "signals",
            "packets and wake-ups that found the reactor asleep"},
    Sockets{"control_full_waits", &SocketServerCounts::control_full_waits, "packets",
            "that waited for room in the ring"},
    Sockets{"control_reads", &SocketServerCounts::control_reads, "calls",
            "of read(2) on the pipe of commands"},
    Sockets{"decode_errors", &SocketServerCounts::decode_errors, "packets", "that made no sense"},
    Sockets{"stale_tokens", &SocketServerCounts::stale_tokens, "packets",
            "whose payload was gone, or somebody else's"},
};
constexpr std::array kServices = {
    Services{"services", &RuntimeCounts::services, "services", "alive now"},
    Services{"messages_delivered", &RuntimeCounts::delivered, "messages",
             "that services were given"},
    Services{"messages_dropped", &RuntimeCounts::dropped, "messages",
             "for a service that was gone, or that waited when it ended"},
    Services{"longest_mailbox", &RuntimeCounts::longest_mailbox, "messages",
             "that wait for one service now, at most"},
    Services{"run_queue_length", &RuntimeCounts::run_queue_length, "services",
             "that wait for a turn now"},
    Services{"worker_wakeups", &RuntimeCounts::wakeups, "times",
             "a worker was woken (without workers: the reactor, for services)"},
    Services{"timers_fired", &RuntimeCounts::timers_fired, "timers", "that ran out"},
};

struct PacketKind {
  std::string_view letters;
  std::string_view meaning;
};
constexpr std::array kPacketKinds = {
    PacketKind{"S", "start a listener or an accepted connection, or take a socket over"},
    PacketKind{"L", "listen"},
    PacketKind{"O", "open a connection"},
    PacketKind{"B", "bind a descriptor that stays the caller's"},
    PacketKind{"U", "make a datagram socket"},
    PacketKind{"N", "make a datagram socket that has a default address"},
    PacketKind{"K", "close or shut down"},
    PacketKind{"DP", "send, with high (D) or low priority (P)"},
    PacketKind{"A", "send a datagram to an address"},
    PacketKind{"C", "set the default address of a datagram socket"},
    PacketKind{"T", "set an option"},
    PacketKind{"H", "hold (read nothing more), or a step of a hand-over"},
    PacketKind{"W", "write the rest that a direct write left"},
    PacketKind{"X", "end the reactor"},
};

struct CloseCause {
  Input input;
  std::string_view meaning;
};
constexpr std::array kCloseCauses = {
    CloseCause{Input::start, "a start"},
    CloseCause{Input::hold, "a hold"},
    CloseCause{Input::hand_over, "an owner that gives the socket up"},
    CloseCause{Input::give_back, "bytes that an old owner gave back"},
    CloseCause{Input::hand_over_done, "the end of a hand-over"},
    CloseCause{Input::send, "a send"},
    CloseCause{Input::arm_write, "the rest of a direct write"},
    CloseCause{Input::set_option, "an option"},
    CloseCause{Input::set_address, "a default address"},
    CloseCause{Input::close_flushed, "a close with nothing unsent, whose peer may still be read"},
    CloseCause{Input::close_final, "a close with nothing unsent, and nothing to wait for"},
    CloseCause{Input::close_pending, "a close with unsent output"},
    CloseCause{Input::close_abortive, "a shutdown"},
    CloseCause{Input::listen_ready, "a listener that was ready after its close"},
    CloseCause{Input::udp_ready, "a datagram socket that was ready after its close"},
    CloseCause{Input::bound, "a descriptor that was bound after its close"},
    CloseCause{Input::resolve_started, "the beginning of a name look-up"},
    CloseCause{Input::connect_started, "the beginning of a connect"},
    CloseCause{Input::connect_ok, "a connect that succeeded"},
    CloseCause{Input::create_failed, "a listen, open or bind that failed"},
    CloseCause{Input::accepted, "an accepted connection"},
    CloseCause{Input::accept_failed, "an accept that failed"},
    CloseCause{Input::accept_starved, "an accept for which even the spare descriptor was lacking"},
    CloseCause{Input::received, "bytes that came"},
    CloseCause{Input::datagram, "a datagram that came"},
    CloseCause{Input::eof, "the peer's end"},
    CloseCause{Input::read_failed, "a failed read, an error of the socket, or too long a silence"},
    CloseCause{Input::udp_failed, "a datagram that could not be sent"},
    CloseCause{Input::drained, "the last unsent byte, sent"},
    CloseCause{Input::drained_final, "the last unsent byte, sent, with nothing to wait for"},
    CloseCause{Input::write_failed, "a failed write"},
    CloseCause{Input::hung_up, "the end of both directions without an error"},
    CloseCause{Input::deadline, "the time limit of the socket's state"},
};

constexpr bool kinds_are_in_order() {
  for (std::size_t at = 0; at < kPacketKinds.size(); ++at) {
    if (kPacketKinds[at].letters != kPacketLetters[at]) return false;
  }
  for (std::size_t at = 0; at < kCloseCauses.size(); ++at) {
    if (kCloseCauses[at].input != static_cast<Input>(at)) return false;
  }
  return kPacketKinds.size() == kPacketKindCount && kCloseCauses.size() == kInputCount;
}
static_assert(kinds_are_in_order(), "every kind of packet and of close has a meaning");
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

/// What there is to say of a figure beside its value: name and meaning come in two parts.
struct Label {
  std::string_view prefix;
  std::string_view name;
  std::string_view unit;
  std::string_view beginning;
  std::string_view meaning;
};

/// Calls `figure(label, value)` for all, in order.
template <typename Each>
void for_each_figure(const SocketServerCounts& sockets, const RuntimeCounts& runtime, Each figure) {
  const auto all = [&](const auto& figures, const auto& counts) {
    for (const auto& [name, member, unit, meaning] : figures) {
      figure(Label{"", name, unit, "", meaning}, counts.*member);
    }
  };
  const auto& closes = sockets.closes_by_input;
  all(kConnections, sockets);
  figure(Label{"", "closes", "sockets", "", "freed, whatever did it"},
         std::accumulate(closes.begin(), closes.end(), std::uint64_t{0}));
  for (std::size_t input = 0; input < kInputCount; ++input) {
    const CloseCause& cause = kCloseCauses[input];
    figure(Label{"closes_", to_text(cause.input), "sockets", "freed by ", cause.meaning},
           closes[input]);
  }
  all(kTraffic, sockets);
  all(kSends, sockets);
  all(kReactor, sockets);
  all(kControl, sockets);
  for (std::size_t kind = 0; kind < kPacketKindCount; ++kind) {
    const PacketKind& packet = kPacketKinds[kind];
    figure(Label{"packets_", packet.letters, "packets", "that say: ", packet.meaning},
           sockets.packets_by_kind[kind]);
  }
  all(kServices, runtime);
}

}  // namespace

const std::array<std::string, kCountTotal>& count_names() {
  static const auto names = [] {
    std::array<std::string, kCountTotal> made;
    auto next = made.begin();
    for_each_figure({}, {}, [&](const Label& label, std::uint64_t) {
      *next++ = fmt::format("{}{}", label.prefix, label.name);
    });
    return made;
  }();
  return names;
}

CountValues count_values(const SocketServerCounts& sockets, const RuntimeCounts& runtime) {
  CountValues values{};
  auto next = values.begin();
  for_each_figure(sockets, runtime, [&](const Label&, std::uint64_t value) { *next++ = value; });
  return values;
}

std::string stats_help() {
  std::string text =
      "counts of --stats SECONDS, since the start unless they say \"now\"\n"
      "  name                     unit       meaning\n";
  for_each_figure({}, {}, [&](const Label& label, std::uint64_t) {
    fmt::format_to(std::back_inserter(text), "  {:<24} {:<10} {}{}\n",
                   fmt::format("{}{}", label.prefix, label.name), label.unit, label.beginning,
                   label.meaning);
  });
  return text;
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
