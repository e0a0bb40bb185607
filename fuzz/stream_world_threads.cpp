// StreamWorld: threads that stop inside of an operation, and go on when the program says so.

#include <string_view>
#include <utility>

#include "core/base/check.hpp"
#include "fuzz/stream_trace.hpp"
#include "fuzz/stream_world.hpp"

namespace skysock::fuzz {
namespace {

/// Threads of services; the one behind them is the reactor's.
constexpr std::size_t kWorkers = 3;
constexpr std::size_t kReactor = kWorkers;

/// The letters of what a service's thread may stop in: one call of the server, whose arguments are
/// read before it.
constexpr std::string_view kOfWorkers = "LOUNSHvwKDPACTGXk";
constexpr char kPoll = 'q';

}  // namespace

SimThreads& StreamWorld::threads() {
  if (threads_) return *threads_;
  threads_.emplace(
      kernel_, kWorkers + 1, [this](YieldPoint point, SocketId id) { at_point(point, id); },
      [this](YieldPoint point, SocketId id) { server_.left(point, id); });
  server_.run_in(*threads_);
  return *threads_;
}

void StreamWorld::at_point(YieldPoint point, SocketId id) {
  server_.arrived(point, id);
  if (threads_->stops_here()) trace_stop(threads_->current(), point, id);
}

/// The next operation that can stop does so, on that thread; a poll on the reactor's.
void StreamWorld::op_begin() {
  const std::size_t thread = input_.below(kWorkers);
  begin_ = {.thread = thread, .points = input_.byte()};
  threads();
}

void StreamWorld::op_resume() {
  const std::size_t thread = input_.below(kWorkers + 1);
  threads().resume(thread, input_.byte());
}

void StreamWorld::run(const Operation& operation) {
  const bool polls = operation.letter == kPoll;
  if (!begin_ || (!polls && !kOfWorkers.contains(operation.letter)))
    return (this->*operation.run)();
  const Begin begin = *std::exchange(begin_, {});
  const std::size_t thread = polls ? kReactor : begin.thread;
  // Whoever is on that thread is done with the call before.
  threads_->resume(thread, SimThreads::kToTheEnd);
  threads_->begin(thread, [this, &operation] { (this->*operation.run)(); }, begin.points);
}

/// There is one reactor: what it is in the middle of comes first.
void StreamWorld::finish_poll() {
  if (threads_ && threads_->current() == SimThreads::kCaller) {
    threads_->resume(kReactor, SimThreads::kToTheEnd);
  }
}

}  // namespace skysock::fuzz
