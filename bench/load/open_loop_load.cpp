#include "bench/load/open_loop_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace skysock::load {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr double kPerSecondMax = 1e7;

// A load that is behind looks for answers after this many messages: the server's time to the last
// byte must not grow because the load is busy sending.
constexpr unsigned kBurst = 16;

// EchoConnections::open() passed message 0 of each connection.
constexpr std::uint64_t kPassedByOpen = 1;

}  // namespace

OpenLoopLoad::OpenLoopLoad(const OpenLoopOptions& options, EchoConnections connections)
    : target_(fmt::format("{}:{}", options.host, options.port)),
      deadline_(options.deadline),
      connections_(std::move(connections)) {}

Outcome<OpenLoopLoad> OpenLoopLoad::open(const OpenLoopOptions& options) {
  auto connections = EchoConnections::open({.host = options.host,
                                            .port = options.port,
                                            .connections = options.connections,
                                            .bytes = options.bytes,
                                            .seed = options.seed,
                                            .deadline = options.deadline});
  if (!connections) return std::unexpected(connections.error());
  OpenLoopLoad load(options, std::move(*connections));
  if (auto set = load.set_rate(options.per_second); !set) return std::unexpected(set.error());
  return load;
}

Outcome<void> OpenLoopLoad::set_rate(double per_second) {
  if (!(per_second > 0 && per_second <= kPerSecondMax)) {
    return std::unexpected(
        fmt::format("an open loop of {} messages per second: expected more than 0, at most {:.0f}",
                    per_second, kPerSecondMax));
  }
  per_second_ = per_second;
  return {};
}

void OpenLoopLoad::clear() {
  latency_ = LatencyHistogram();
  lateness_ = LatencyHistogram();
}

Outcome<Work> OpenLoopLoad::run_for(nanoseconds duration) {
  first_ = next_;
  const double seconds = std::chrono::duration<double>(std::max(duration, nanoseconds(0))).count();
  end_ = first_ + static_cast<std::uint64_t>(std::ceil(seconds * per_second_));
  start_ = steady_clock::now();
  if (auto done = drive(start_ + duration + deadline_); !done) return std::unexpected(done.error());
  return Work{end_ - first_, steady_clock::now() - start_};
}

/// From the run's start, not from the message before: an error of rounding does not add up.
OpenLoopLoad::Deadline OpenLoopLoad::intended(std::uint64_t message) const {
  const double after_ns = static_cast<double>(message - first_) * 1e9 / per_second_;
  return start_ + nanoseconds(static_cast<std::int64_t>(after_ns));
}

Outcome<void> OpenLoopLoad::drive(Deadline deadline) {
  while (next_ < end_ || connections_.in_flight() > 0) {
    if (auto sent = send_due(); !sent) return sent;
    auto events =
        next_ < end_ ? connections_.wait_precisely(intended(next_)) : connections_.wait(deadline);
    if (!events) return std::unexpected(events.error());
    for (const epoll_event& event : *events) {
      auto taken = connections_.take(event, [this](std::size_t index, std::uint64_t messages) {
        on_done(index, messages);
        return Outcome<void>();
      });
      if (!taken) return taken;
    }
    const bool waits = next_ < end_ || connections_.in_flight() > 0;
    if (waits && steady_clock::now() >= deadline) return std::unexpected(late());
  }
  return {};
}

Outcome<void> OpenLoopLoad::send_due() {
  for (unsigned sent = 0; sent < kBurst && next_ < end_; ++sent) {
    const auto now = steady_clock::now();
    const auto due = intended(next_);
    if (now < due) return {};
    lateness_.record(now - due);
    if (auto begun = connections_.begin(next_++ % connections_.size(), 1); !begun) return begun;
  }
  return {};
}

void OpenLoopLoad::on_done(std::size_t index, std::uint64_t messages) {
  const auto now = steady_clock::now();
  const std::uint64_t end = connections_.done(index);
  for (std::uint64_t number = end - messages; number < end; ++number) {
    // The connections take turns, so the place in the timetable follows from both numbers.
    latency_.record(now - intended((number - kPassedByOpen) * connections_.size() + index));
  }
}

std::string OpenLoopLoad::late() const {
  return fmt::format(
      "{}: {} of {} messages were begun, {} of them not answered {} ms after the end", target_,
      next_ - first_, end_ - first_, connections_.in_flight(), deadline_.count());
}

}  // namespace skysock::load
