#include "bench/load/echo_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace skysock::load {
namespace {

using std::chrono::steady_clock;

// More hides that a message waits in the client's own queue; send times take 8 bytes for each.
constexpr std::size_t kDepthMax = 65'536;

}  // namespace

EchoLoad::EchoLoad(const EchoOptions& options, EchoConnections connections)
    : depth_(options.depth),
      deadline_(options.deadline),
      connections_(std::move(connections)),
      left_(connections_.size()) {}

Outcome<EchoLoad> EchoLoad::open(const EchoOptions& options) {
  if (options.depth == 0 || options.depth > kDepthMax) {
    return std::unexpected(
        fmt::format("an echo load of depth {}: expected 1 to {}", options.depth, kDepthMax));
  }
  auto connections = EchoConnections::open({.host = options.host,
                                            .port = options.port,
                                            .connections = options.connections,
                                            .bytes = options.bytes,
                                            .seed = options.seed,
                                            .deadline = options.deadline});
  if (!connections) return std::unexpected(connections.error());
  return EchoLoad(options, std::move(*connections));
}

void EchoLoad::record_into(LatencyHistogram* latencies) {
  latencies_ = latencies;
  if (latencies_ != nullptr) begun_at_.resize(connections_.size() * depth_);
}

Outcome<std::chrono::nanoseconds> EchoLoad::run(std::uint64_t operations) {
  const auto start = steady_clock::now();
  const std::uint64_t share = operations / connections_.size();
  const std::uint64_t rest = operations % connections_.size();
  for (std::size_t index = 0; index < left_.size(); ++index) {
    left_[index] = share + (index < rest ? 1 : 0);
  }
  if (auto begun = begin_all(); !begun) return std::unexpected(begun.error());
  if (auto done = drive(start + deadline_); !done) return std::unexpected(done.error());
  return steady_clock::now() - start;
}

Outcome<Work> EchoLoad::run_for(std::chrono::nanoseconds duration) {
  const auto start = steady_clock::now();
  const std::uint64_t done_before = messages_done_;
  last_send_ = start + duration;
  ending_ = false;
  std::ranges::fill(left_, std::numeric_limits<std::uint64_t>::max());
  if (auto begun = begin_all(); !begun) return std::unexpected(begun.error());
  if (auto done = drive(last_send_ + deadline_); !done) return std::unexpected(done.error());
  last_send_ = kNever;
  ending_ = false;
  return Work{messages_done_ - done_before, steady_clock::now() - start};
}

Outcome<void> EchoLoad::hold_for(std::chrono::nanoseconds duration) {
  const auto end = steady_clock::now() + duration;
  while (true) {
    auto events = connections_.wait(end);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return {};
    for (const epoll_event& event : *events) {
      // Nothing is in flight, so that whatever is received is an error.
      auto taken = connections_.take(event, [](auto, auto) { return Outcome<void>(); });
      if (!taken) return taken;
    }
  }
}

Outcome<void> EchoLoad::drive(Deadline deadline) {
  // Invariant: a connection with messages left to begin has some in flight.
  while (connections_.in_flight() > 0) {
    auto events = connections_.wait(deadline);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return std::unexpected(connections_.late());
    if (last_send_ != kNever) ending_ = steady_clock::now() >= last_send_;
    for (const epoll_event& event : *events) {
      auto taken = connections_.take(event, [this](std::size_t index, std::uint64_t messages) {
        return on_done(index, messages);
      });
      if (!taken) return taken;
    }
  }
  return {};
}

Outcome<void> EchoLoad::begin_all() {
  for (std::size_t index = 0; index < left_.size(); ++index) {
    const auto now = latencies_ != nullptr ? steady_clock::now() : Deadline();
    if (auto begun = begin(index, depth_, now); !begun) return begun;
  }
  return {};
}

/// Begins at most `messages` of those left. `now` is used when latencies are recorded.
Outcome<void> EchoLoad::begin(std::size_t index, std::uint64_t messages, Deadline now) {
  const std::uint64_t count = std::min(messages, left_[index]);
  if (count == 0) return {};
  left_[index] -= count;
  if (latencies_ != nullptr) {
    const std::uint64_t first = connections_.begun(index);
    for (std::uint64_t message = first; message < first + count; ++message) {
      begun_at(index, message) = now;
    }
  }
  return connections_.begin(index, count);
}

Outcome<void> EchoLoad::on_done(std::size_t index, std::uint64_t messages) {
  messages_done_ += messages;
  Deadline now;
  if (latencies_ != nullptr) {
    now = steady_clock::now();
    const std::uint64_t end = connections_.done(index);
    for (std::uint64_t message = end - messages; message < end; ++message) {
      latencies_->record(now - begun_at(index, message));
    }
  }
  return ending_ ? Outcome<void>() : begin(index, messages, now);
}

}  // namespace skysock::load
