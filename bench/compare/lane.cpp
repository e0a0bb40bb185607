#include "bench/compare/lane.hpp"

#include <fmt/format.h>

#include <ctime>

#include "core/base/check.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;
using std::chrono::nanoseconds;

constexpr std::uint64_t kSeed = 1;
constexpr std::chrono::milliseconds kDeadline{60'000};  // 10,000 connections to a sanitised server.

nanoseconds thread_cpu_time() {
  timespec time{};
  SKYSOCK_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

double us(nanoseconds time) { return static_cast<double>(time.count()) / 1e3; }

}  // namespace

double cpu_us_per_operation(const Slice& slice, LoadKind kind) {
  if (kind == LoadKind::idle) return us(slice.server_cpu) / (us(slice.wall) / 1e6);
  return us(slice.server_cpu) / static_cast<double>(slice.operations);
}

Lane::Lane(Peer peer, const Scenario& scenario, ServerProcess server)
    : peer_(std::move(peer)),
      scenario_(scenario),
      server_(std::move(server)),
      thread_(std::make_unique<LoadThread>()),
      load_(std::make_unique<Load>()) {}

Lane::~Lane() {
  if (thread_) thread_->call([this] { load_.reset(); });
}

Outcome<Lane> Lane::start(Peer peer, const Scenario& scenario, std::optional<int> server_cpu) {
  auto server = compare::start(peer, server_cpu);
  if (!server) return std::unexpected(server.error());
  Lane lane(std::move(peer), scenario, std::move(*server));
  const auto connected = lane.named(lane.thread_->call([&lane] { return lane.connect(); }));
  if (!connected) return std::unexpected(connected.error());
  return lane;
}

Outcome<void> Lane::connect() {
  if (scenario_.kind == LoadKind::accept) {
    auto opened = load::AcceptLoad::open({.host = server_.host(),
                                          .port = server_.port(),
                                          .in_flight = scenario_.connections,
                                          .seed = kSeed,
                                          .deadline = kDeadline});
    if (!opened) return std::unexpected(opened.error());
    *load_ = std::move(*opened);
    return {};
  }
  auto opened = load::EchoLoad::open({.host = server_.host(),
                                      .port = server_.port(),
                                      .connections = scenario_.connections,
                                      .bytes = scenario_.bytes,
                                      .seed = kSeed,
                                      .deadline = kDeadline});
  if (!opened) return std::unexpected(opened.error());
  *load_ = std::move(*opened);
  return {};
}

Outcome<void> Lane::named(Outcome<void> outcome) const {
  if (outcome) return outcome;
  return std::unexpected(
      fmt::format("{}, server {}: {}", scenario_.name, peer_.name, outcome.error()));
}

Outcome<void> Lane::pause() { return named(server_.pause()); }

Outcome<void> Lane::resume() { return named(server_.resume()); }

Outcome<load::Work> Lane::load_for(nanoseconds duration) {
  if (auto* accepts = std::get_if<load::AcceptLoad>(load_.get())) return accepts->run_for(duration);
  auto& echo = std::get<load::EchoLoad>(*load_);
  if (scenario_.kind == LoadKind::echo) return echo.run_for(duration);
  const auto begin = std::chrono::steady_clock::now();
  if (auto held = echo.hold_for(duration); !held) return std::unexpected(held.error());
  return load::Work{0, std::chrono::steady_clock::now() - begin};
}

Outcome<Slice> Lane::measure(nanoseconds warm_up, nanoseconds duration) {
  Slice slice;
  const auto measured = thread_->call([&]() -> Outcome<void> {
    if (auto warm = load_for(warm_up); !warm) return std::unexpected(warm.error());
    const nanoseconds server_before = server_.cpu_time();
    const nanoseconds load_before = thread_cpu_time();
    auto work = load_for(duration);
    if (!work) return std::unexpected(work.error());
    slice = {.operations = work->operations,
             .wall = work->wall,
             .server_cpu = server_.cpu_time() - server_before,
             .load_cpu = thread_cpu_time() - load_before};
    return {};
  });
  if (auto done = named(measured); !done) return std::unexpected(done.error());
  return slice;
}

Outcome<void> Lane::run(std::uint64_t operations) {
  return named(thread_->call([&]() -> Outcome<void> {
    auto* accepts = std::get_if<load::AcceptLoad>(load_.get());
    auto time = accepts != nullptr ? accepts->run(operations)
                                   : std::get<load::EchoLoad>(*load_).run(operations);
    return time ? Outcome<void>() : std::unexpected(time.error());
  }));
}

Outcome<void> Lane::finish() {
  if (auto last = run(scenario_.connections); !last) return last;
  thread_->call([this] { *load_ = std::monostate(); });
  return named(server_.stop());
}

}  // namespace skysock::bench::compare
