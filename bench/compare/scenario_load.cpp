#include "bench/compare/scenario_load.hpp"

#include <utility>

#include "bench/load/accept_load.hpp"
#include "bench/load/broadcast_load.hpp"
#include "bench/load/connect_load.hpp"
#include "bench/load/echo_load.hpp"
#include "bench/load/open_loop_load.hpp"
#include "bench/load/udp_echo_load.hpp"
#include "bench/stream/blast_load.hpp"
#include "bench/stream/stream_load.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;
using load::Work;
using std::chrono::nanoseconds;

constexpr std::chrono::milliseconds kDeadline{60'000};  // 10,000 connections to a sanitised server.
constexpr std::chrono::milliseconds kCalibration{200};
constexpr int kCalibrations = 3;
constexpr std::uint64_t kMessagesPerReport = 64;  // Of one connection that sends one way.

/// A load that is run for a time or for a number of operations. One whose latencies are to be had
/// either writes them where it is told, or holds those of its last run.
template <typename Load>
class Adapter : public ScenarioLoad {
 public:
  Adapter(Load load, std::uint64_t multiple) : load_(std::move(load)), multiple_(multiple) {}

  Outcome<Work> run_for(nanoseconds duration, Latencies* latencies) override {
    if constexpr (requires { load_.record_into(nullptr); }) {
      load_.record_into(latencies != nullptr ? &latencies->operations : nullptr);
    }
    auto work = load_.run_for(duration);
    if (work && latencies != nullptr) collect(*latencies);
    return work;
  }

  Outcome<std::uint64_t> run(std::uint64_t operations) override {
    const std::uint64_t made = (operations + multiple_ - 1) / multiple_ * multiple_;
    if constexpr (requires { load_.record_into(nullptr); }) load_.record_into(nullptr);
    auto time = load_.run(made);
    if (!time) return std::unexpected(time.error());
    return made;
  }

 private:
  void collect(Latencies& latencies) const {
    if constexpr (requires { load_.latency(); }) latencies.operations.merge(load_.latency());
    if constexpr (requires { load_.probe_latency(); }) {
      latencies.probes.merge(load_.probe_latency());
    }
    if constexpr (requires { load_.troubles(); }) latencies.datagrams += load_.troubles();
  }

  Load load_;
  std::uint64_t multiple_;  ///< Operations come in groups of so many.
};

/// Connections that are held; an operation is a second, so none is counted.
class IdleLoad : public ScenarioLoad {
 public:
  explicit IdleLoad(load::EchoLoad load) : load_(std::move(load)) {}

  Outcome<Work> run_for(nanoseconds duration, Latencies*) override {
    const auto begin = std::chrono::steady_clock::now();
    if (auto held = load_.hold_for(duration); !held) return std::unexpected(held.error());
    return Work{0, std::chrono::steady_clock::now() - begin};
  }

  Outcome<std::uint64_t> run(std::uint64_t operations) override {
    auto time = load_.run(operations);
    if (!time) return std::unexpected(time.error());
    return operations;
  }

 private:
  load::EchoLoad load_;
};

/// Messages at a fixed rate; fixed numbers of them take as long as they take at that rate.
class OpenLoop : public ScenarioLoad {
 public:
  OpenLoop(load::OpenLoopLoad load, double rate) : load_(std::move(load)), rate_(rate) {}

  Outcome<Work> run_for(nanoseconds duration, Latencies* latencies) override {
    load_.clear();
    auto work = load_.run_for(duration);
    if (work && latencies != nullptr) {
      latencies->operations.merge(load_.latency());
      latencies->lateness.merge(load_.lateness());
    }
    return work;
  }

  Outcome<std::uint64_t> run(std::uint64_t operations) override {
    const std::chrono::duration<double> needed(static_cast<double>(operations) / rate_);
    auto work = load_.run_for(std::chrono::ceil<nanoseconds>(needed));
    if (!work) return std::unexpected(work.error());
    return work->operations;
  }

  [[nodiscard]] double rate() const override { return rate_; }

 private:
  load::OpenLoopLoad load_;
  double rate_;
};

/// One-way messages, which come in batches.
class Ingest : public ScenarioLoad {
 public:
  explicit Ingest(StreamLoad load) : load_(std::move(load)) {}

  Outcome<Work> run_for(nanoseconds duration, Latencies*) override {
    return load_.run_for(duration);
  }

  Outcome<std::uint64_t> run(std::uint64_t operations) override {
    std::uint64_t made = 0;
    for (; made < operations; made += load_.messages_per_run()) {
      if (auto done = load_.run(); !done) return std::unexpected(done.error());
    }
    return made;
  }

 private:
  StreamLoad load_;
};

using Opened = Outcome<std::unique_ptr<ScenarioLoad>>;

template <typename Load>
Opened adapt(Outcome<Load> load, std::uint64_t multiple = 1) {
  if (!load) return std::unexpected(load.error());
  return std::make_unique<Adapter<Load>>(std::move(*load), multiple);
}

load::EchoOptions echo_options(const Scenario& scenario, const LoadTarget& target) {
  return {.host = target.host,
          .port = target.port,
          .connections = scenario.connections,
          .bytes = scenario.bytes,
          .depth = scenario.depth,
          .deadline = kDeadline};
}

Opened open_idle(const Scenario& scenario, const LoadTarget& target) {
  auto echo = load::EchoLoad::open(echo_options(scenario, target));
  if (!echo) return std::unexpected(echo.error());
  return std::make_unique<IdleLoad>(std::move(*echo));
}

Opened open_accept(const Scenario& scenario, const LoadTarget& target) {
  const bool rst = scenario.kind == LoadKind::accept_rst;
  return adapt(load::AcceptLoad::open({.host = target.host,
                                       .port = target.port,
                                       .in_flight = scenario.connections,
                                       .ending = rst ? load::Ending::rst : load::Ending::fin,
                                       .burst = scenario.kind == LoadKind::accept_burst,
                                       .deadline = kDeadline}));
}

/// Messages per second of a closed loop with as many connections: the best of a few, for what
/// disturbs one makes it less.
Outcome<double> peak(const Scenario& scenario, const LoadTarget& target) {
  auto closed = load::EchoLoad::open(echo_options(scenario, target));
  if (!closed) return std::unexpected(closed.error());
  if (auto warm = closed->run_for(kCalibration / 10); !warm) return std::unexpected(warm.error());
  double most = 0;
  for (int time = 0; time < kCalibrations; ++time) {
    auto work = closed->run_for(kCalibration);
    if (!work) return std::unexpected(work.error());
    const std::chrono::duration<double> wall = work->wall;
    most = std::max(most, static_cast<double>(work->operations) / wall.count());
  }
  return most;
}

Opened open_open_loop(const Scenario& scenario, const LoadTarget& target) {
  double rate = target.rate;
  if (rate == 0) {
    const auto most = peak(scenario, target);
    if (!most) return std::unexpected(most.error());
    rate = *most * scenario.peak_share;
  }
  auto opened = load::OpenLoopLoad::open({.host = target.host,
                                          .port = target.port,
                                          .connections = scenario.connections,
                                          .bytes = scenario.bytes,
                                          .per_second = rate,
                                          .deadline = kDeadline});
  if (!opened) return std::unexpected(opened.error());
  return std::make_unique<OpenLoop>(std::move(*opened), rate);
}

Opened open_connect(const Scenario& scenario, const LoadTarget& target) {
  return adapt(load::ConnectLoad::open({.host = target.host,
                                        .port = target.port,
                                        .in_flight = scenario.connections,
                                        .deadline = kDeadline}));
}

Opened open_ingest(const Scenario& scenario, const LoadTarget& target) {
  auto opened = StreamLoad::open({.host = target.host,
                                  .port = target.port,
                                  .connections = scenario.connections,
                                  .bytes = scenario.bytes,
                                  .batch_messages = kMessagesPerReport,
                                  .deadline = kDeadline});
  if (!opened) return std::unexpected(opened.error());
  return std::make_unique<Ingest>(std::move(*opened));
}

Opened open_blast(const Scenario& scenario, const LoadTarget& target) {
  const std::size_t slow =
      scenario.kind == LoadKind::blast_slow ? scenario.connections / 2 : std::size_t{0};
  return adapt(BlastLoad::open({.host = target.host,
                                .port = target.port,
                                .fast = scenario.connections - slow,
                                .slow = slow,
                                .deadline = kDeadline}));
}

Opened open_broadcast(const Scenario& scenario, const LoadTarget& target) {
  return adapt(load::BroadcastLoad::open({.host = target.host,
                                          .port = target.port,
                                          .subscribers = scenario.connections,
                                          .bytes = scenario.bytes,
                                          .deadline = kDeadline}),
               scenario.connections);
}

Opened open_udp_echo(const Scenario& scenario, const LoadTarget& target) {
  return adapt(load::UdpEchoLoad::open({.host = target.host,
                                        .port = target.port,
                                        .sockets = scenario.connections,
                                        .bytes = scenario.bytes,
                                        .deadline = kDeadline}));
}

}  // namespace

Opened open_load(const Scenario& scenario, const LoadTarget& target) {
  switch (scenario.kind) {
    case LoadKind::echo:
      return adapt(load::EchoLoad::open(echo_options(scenario, target)));
    case LoadKind::open_loop:
      return open_open_loop(scenario, target);
    case LoadKind::accept:
    case LoadKind::accept_rst:
    case LoadKind::accept_burst:
      return open_accept(scenario, target);
    case LoadKind::connect:
      return open_connect(scenario, target);
    case LoadKind::ingest:
      return open_ingest(scenario, target);
    case LoadKind::blast:
    case LoadKind::blast_slow:
      return open_blast(scenario, target);
    case LoadKind::broadcast:
      return open_broadcast(scenario, target);
    case LoadKind::udp_echo:
      return open_udp_echo(scenario, target);
    case LoadKind::idle:
      return open_idle(scenario, target);
  }
  return std::unexpected(std::string("no such load"));
}

}  // namespace skysock::bench::compare
