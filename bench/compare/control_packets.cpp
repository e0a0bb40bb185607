// skysock-bench --control-packets: how many control packets of another thread does the reactor of a
// whole server carry out per second, and how does that compare with a bare pipe? Leaves out several
// senders, and packets whose carrying out costs something.

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/compare/commands.hpp"
#include "bench/compare/option_server.hpp"
#include "bench/compare/options.hpp"
#include "bench/compare/progress.hpp"
#include "bench/compare/rounds.hpp"
#include "bench/compare/statistics.hpp"
#include "bench/peers/bare_pipe.hpp"
#include "bench/run_record.hpp"
#include "core/base/check.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;

/// Fits a pipe of 64 KiB.
constexpr std::uint64_t kBacklogPackets = 3'000;
constexpr int kStuckMs = 10'000;

struct PacketOptions : Options {
  unsigned rounds = 13;
  std::uint64_t packets = 200'000;
  std::uint64_t seed = 1;
  bool gate = false;
};

constexpr const char* kProcedure =
    R"(
A packet sets TCP_NODELAY of a connection that has it: no payload, and no system call to carry it
out. One thread gives them, the reactor of a server in the same process carries them out on another
CPU. Baseline: bare_pipe, one write(2) per packet, on the other side two read(2), then decoded.

Procedure: in every round each channel has one slice of --packets packets, in an order shuffled from
--seed; it ends when the last one was carried out, and their number is checked. The figure is the
10th percentile over rounds of the time per packet. "reads per packet" is counted with 3,000 packets
that wait before the reactor looks.

Budgets: ring at least 10 times as fast as bare_pipe; pipe at least 0.75 times, with at most one
read(2) per 50 packets that wait.

Exit codes: 0 measured; 1 packets were lost or took too long; 2 wrong command line; 3 with --gate: a
budget is missed; 6 this machine cannot run it (two CPUs for cross-cpu).

Example: skysock-bench --control-packets --json packets.json
)";

void add_options(CLI::App& app, PacketOptions& options) {
  app.add_flag("--control-packets", options.command, "this command");
  app.add_option("--rounds", options.rounds, "slices per channel")
      ->check(CLI::Range(1U, 10'000U))
      ->capture_default_str();
  app.add_option("--packets", options.packets, "packets per slice")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the order in which channels take turns")
      ->capture_default_str();
  app.add_flag("--gate", options.gate, "exit with 3 when a budget is missed");
  add_output_options(app, options);
  app.footer(kProcedure);
}

Outcome<double> carry_over_bare_pipe(std::uint64_t packets, std::optional<int> reader_cpu) {
  LinuxSys sys;
  BarePipe pipe(sys);
  const EncodedPacket packet =
      encode(OptionPacket{.id = 1, .option = ConnectionOption::nodelay, .value = 1});
  std::uint64_t received = 0;
  const auto begin = std::chrono::steady_clock::now();
  std::thread reader([&] {
    SKYSOCK_CHECK(pin_thread(reader_cpu).has_value());
    while (received < packets) {
      const auto decoded = decode(pipe.receive(kStuckMs));
      if (!decoded || !std::holds_alternative<OptionPacket>(*decoded)) return;
      ++received;
    }
  });
  bool sent = true;
  for (std::uint64_t number = 0; number < packets && sent; ++number) sent = pipe.send(packet);
  reader.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (received == packets) return took.count();
  return std::unexpected(fmt::format("bare_pipe: {} of {} packets arrived", received, packets));
}

/// One way of carrying packets, as run_rounds() wants it: there is nothing to stop between slices.
struct Channel {
  std::string name;
  double speed_min = 0;                  ///< Budget, as a multiple of bare_pipe's speed.
  std::unique_ptr<OptionServer> server;  ///< None: the bare pipe.
  std::uint64_t backlog_reads = 0;
  std::vector<double> ns_per_packet;

  static Outcome<void> pause() { return {}; }
  static Outcome<void> resume() { return {}; }

  [[nodiscard]] double calm_ns() const { return percentile(ns_per_packet, kCalm); }
  [[nodiscard]] double reads_per_packet() const {
    return static_cast<double>(backlog_reads) / static_cast<double>(kBacklogPackets);
  }
  [[nodiscard]] double speed(const Channel& baseline) const {
    return baseline.calm_ns() / calm_ns();
  }
  [[nodiscard]] bool in_budget(const Channel& baseline) const {
    return server == nullptr || (speed(baseline) >= speed_min && reads_per_packet() * 50 <= 1);
  }
};

Outcome<std::vector<Channel>> make_channels(const PacketOptions& options) {
  std::vector<Channel> channels;
  channels.push_back({.name = "bare_pipe"});
  channels.push_back({.name = "pipe", .speed_min = 0.75});
  channels.push_back({.name = "ring", .speed_min = 10});
  constexpr std::array kKinds = {ChannelKind::pipe, ChannelKind::ring};
  for (std::size_t at = 1; at < channels.size(); ++at) {
    auto server = OptionServer::create(kKinds[at - 1]);
    if (!server) return std::unexpected(server.error());
    channels[at].server = std::move(*server);
    const auto reads = channels[at].server->reads_of_backlog(kBacklogPackets);
    if (!reads) return std::unexpected(reads.error());
    channels[at].backlog_reads = *reads;
    channels[at].server->start(options.placement.server_cpu);
  }
  return channels;
}

Outcome<void> measure(const PacketOptions& options, std::vector<Channel>& channels) {
  Progress progress(channels.size() * options.rounds, "slices");
  const auto slice = [&](std::size_t index) -> Outcome<void> {
    Channel& channel = channels[index];
    const auto seconds = channel.server == nullptr
                             ? carry_over_bare_pipe(options.packets, options.placement.server_cpu)
                             : channel.server->carry(options.packets);
    if (!seconds) return std::unexpected(seconds.error());
    channel.ns_per_packet.push_back(*seconds * 1e9 / static_cast<double>(options.packets));
    return {};
  };
  const auto after = [&](unsigned round, std::size_t) {
    progress.step(fmt::format("round {} of {}", round + 1, options.rounds));
  };
  return run_rounds(channels, options.rounds, options.seed, slice, after);
}

std::string text_of(const std::vector<Channel>& channels) {
  std::string text =
      fmt::format("{:<10} {:>13} {:>12} {:>16} {:>17}  {}\n", "channel", "ns/packet p10",
                  "packets/s", "times bare_pipe", "reads per packet", "budget");
  for (const Channel& channel : channels) {
    const bool ours = channel.server != nullptr;
    text += fmt::format("{:<10} {:>13.1f} {:>12.0f} {:>16.2f} {:>17}  {}\n", channel.name,
                        channel.calm_ns(), 1e9 / channel.calm_ns(), channel.speed(channels.front()),
                        ours ? fmt::format("{:.5f}", channel.reads_per_packet()) : "2",
                        ours ? fmt::format("{:.2f}, {}", channel.speed_min,
                                           channel.in_budget(channels.front()) ? "kept" : "MISSED")
                             : "-");
  }
  return text;
}

nlohmann::ordered_json json_of(const std::vector<Channel>& channels) {
  auto json = nlohmann::ordered_json::array();
  for (const Channel& channel : channels) {
    nlohmann::ordered_json one = {{"name", channel.name},
                                  {"ns_per_packet_p10", channel.calm_ns()},
                                  {"speed_ratio_to_bare_pipe", channel.speed(channels.front())},
                                  {"ns_per_packet", channel.ns_per_packet}};
    if (channel.server != nullptr) {
      one["speed_ratio_min"] = channel.speed_min;
      one["reads_per_packet_of_backlog"] = channel.reads_per_packet();
      one["in_budget"] = channel.in_budget(channels.front());
    }
    json.push_back(std::move(one));
  }
  return json;
}

int run(const PacketOptions& options) {
  auto channels = make_channels(options);
  if (!channels) return complain(kFailed, channels.error());
  if (auto done = measure(options, *channels); !done) return complain(kFailed, done.error());
  fmt::print("seed {}, {} rounds of {} packets, {}\n", options.seed, options.rounds,
             options.packets, placement_text(options.placement));
  fmt::print("{}", text_of(*channels));
  nlohmann::ordered_json record = new_record("control_packets");
  record["seed"] = options.seed;
  record["rounds"] = options.rounds;
  record["packets_per_slice"] = options.packets;
  record["channels"] = json_of(*channels);
  if (auto written = write_record(record, options.json); !written) {
    return complain(kFailed, written.error());
  }
  if (!options.gate) return kPassed;
  for (const Channel& channel : *channels) {
    if (!channel.in_budget(channels->front())) {
      return complain(kOverBudget, fmt::format("{} misses its budget", channel.name));
    }
  }
  return kPassed;
}

}  // namespace

int control_packets_command(int argc, char** argv) {
  CLI::App app("Measures control packets per second through a whole server, beside a bare pipe.",
               "skysock-bench --control-packets");
  PacketOptions options;
  add_options(app, options);
  if (const int code = parse(app, options, argc, argv); code >= 0) return code;
  return run(options);
}

}  // namespace skysock::bench::compare
