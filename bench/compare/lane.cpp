#include "bench/compare/lane.hpp"

#include <fmt/format.h>

#include <ctime>
#include <thread>

#include "bench/compare/memory_table.hpp"
#include "bench/compare/times.hpp"
#include "core/base/check.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;
using std::chrono::nanoseconds;

nanoseconds thread_cpu_time() {
  timespec time{};
  SKYSOCK_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

}  // namespace

double cpu_us_per_operation(const Slice& slice, LoadKind kind) {
  if (kind == LoadKind::idle) return us(slice.server_cpu) / (us(slice.wall) / 1e6);
  return us(slice.server_cpu) / static_cast<double>(slice.operations);
}

Lane::Lane(Peer peer, const Scenario& scenario, ServerProcess server)
    : peer_(std::move(peer)),
      scenario_(scenario),
      server_(std::move(server)),
      thread_(std::make_unique<LoadThread>()) {}

Lane::~Lane() {
  if (thread_) thread_->call([this] { load_.reset(); });
}

Outcome<Lane> Lane::start(Peer peer, const Scenario& scenario, const LaneOptions& options) {
  auto server = compare::start(peer, scenario.mode(), options.server_cpu);
  if (!server) return std::unexpected(server.error());
  Lane lane(std::move(peer), scenario, std::move(*server));
  if (auto connected = lane.named(lane.connect(options.rate)); !connected) {
    return std::unexpected(connected.error());
  }
  return lane;
}

Outcome<void> Lane::connect(double rate) {
  const auto before = resident_bytes(server_.pid());
  auto opened = thread_->call([&] {
    return open_load(scenario_, {.host = server_.host(), .port = server_.port(), .rate = rate});
  });
  if (!opened) return std::unexpected(opened.error());
  load_ = std::move(*opened);
  rate_ = load_->rate();
  const auto after = resident_bytes(server_.pid());
  if (before && after && traits_of(scenario_.kind).holds_connections) {
    rss_bytes_ = bytes_per_connection({peer_.name, *before, *after}, scenario_.connections);
  }
  return {};
}

template <typename T>
Outcome<T> Lane::named(Outcome<T> outcome) const {
  if (outcome) return outcome;
  return std::unexpected(
      fmt::format("{}, server {}: {}", scenario_.name, peer_.name, outcome.error()));
}

Outcome<void> Lane::pause() { return named(server_.pause()); }

Outcome<void> Lane::resume() { return named(server_.resume()); }

Outcome<Slice> Lane::measure(const SliceOptions& options, Latencies& latencies) {
  if (options.stall <= nanoseconds(0)) {
    return named(thread_->call([&] { return measure_load(options, latencies); }));
  }
  Outcome<void> stalled;
  std::jthread stalling([&] { stalled = stall(options); });
  auto slice = thread_->call([&] { return measure_load(options, latencies); });
  stalling.join();
  if (!stalled) return std::unexpected(named(std::move(stalled)).error());
  return named(std::move(slice));
}

Outcome<Slice> Lane::measure_load(const SliceOptions& options, Latencies& latencies) {
  if (auto warm = load_->run_for(options.warm_up, nullptr); !warm) {
    return std::unexpected(warm.error());
  }
  const nanoseconds server_before = server_.cpu_time();
  const nanoseconds load_before = thread_cpu_time();
  auto work = load_->run_for(options.duration, &latencies);
  if (!work) return std::unexpected(work.error());
  return Slice{.operations = work->operations,
               .wall = work->wall,
               .server_cpu = server_.cpu_time() - server_before,
               .load_cpu = thread_cpu_time() - load_before};
}

Outcome<void> Lane::stall(const SliceOptions& options) {
  std::this_thread::sleep_for(options.warm_up + options.duration / 2);
  if (auto stopped = server_.pause(); !stopped) return stopped;
  std::this_thread::sleep_for(options.stall);
  return server_.resume();
}

Outcome<std::uint64_t> Lane::run(std::uint64_t operations) {
  return named(thread_->call([&] { return load_->run(operations); }));
}

Outcome<void> Lane::finish() {
  if (auto last = run(scenario_.connections); !last) return std::unexpected(last.error());
  thread_->call([this] { load_.reset(); });
  return named(server_.stop());
}

}  // namespace skysock::bench::compare
