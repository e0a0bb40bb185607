// What does one message cost between the reactor and a handler when the reactor thread runs the
// services (workers=0), and one timer while 100,000 are pending? No kernel, no second thread at
// work: what is left is the price of core/service itself.

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "bench/harness.hpp"
#include "core/base/prng.hpp"
#include "core/service/service_host.hpp"
#include "core/service/timer_queue.hpp"

namespace skysock::bench {
namespace {

/// A thread that does nothing: while a process has only one, the C library's locks are cheaper than
/// in any server.
class SecondThread {
 public:
  SecondThread() : thread_([this] { over_.wait(false); }) {}
  ~SecondThread() {
    over_ = true;
    over_.notify_all();
    thread_.join();
  }
  SecondThread(const SecondThread&) = delete;
  SecondThread& operator=(const SecondThread&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

/// `batch` events delivered, then run: forward_message, mailbox, a turn, a handler that adds.
void BM_ServiceMessage(benchmark::State& state) {
  const SecondThread second;
  const auto batch = static_cast<std::uint64_t>(state.range(0));
  ServiceHost host(0, {.overloaded = [](ServiceHandle, std::string_view, std::size_t) {},
                       .ended = [](ServiceHandle) {},
                       .wake_reactor = [] {}});
  host.adopt_thread();
  std::uint64_t handled = 0;
  const ServiceHandle service = host.spawn("sum", [&](ServiceHandle) -> MessageHandler {
    return [&](Message&& message) {
      handled += static_cast<std::uint64_t>(std::get<SocketMessage>(message.payload).ud);
    };
  });
  for (auto _ : state) {
    for (std::uint64_t call = 0; call < batch; ++call) {
      host.deliver({.kind = EventKind::data, .id = 1, .to = service, .ud = 1});
    }
    host.run();
    host.flush();
  }
  const std::uint64_t sent = batch * static_cast<std::uint64_t>(state.iterations());
  if (handled != sent) return fail(state, "messages were lost between deliver and the handler");
  state.SetItemsProcessed(static_cast<std::int64_t>(sent));
}

constexpr std::int64_t kHorizonUs = 60'000'000;

TimerQueue::Time random_time(Prng& random) {
  return TimerQueue::Time(std::chrono::microseconds(random.below(kHorizonUs)));
}

void fill(TimerQueue& queue, std::int64_t pending, Prng& random) {
  for (std::int64_t count = 0; count < pending; ++count) queue.add(random_time(random), {});
}

/// A request with a time limit that is answered in time: the usual life of a timer.
void BM_TimerAddCancel(benchmark::State& state) {
  Prng random(1);
  TimerQueue queue;
  fill(queue, state.range(0), random);
  for (auto _ : state) {
    const TimerId timer = queue.add(random_time(random), {});
    if (!queue.cancel(timer)) fail(state, "a timer just added could not be cancelled");
  }
  state.SetItemsProcessed(state.iterations());
}

/// A sleep: the earliest timer comes out and is added again, later.
void BM_TimerTakeAdd(benchmark::State& state) {
  Prng random(1);
  TimerQueue queue;
  fill(queue, state.range(0), random);
  for (auto _ : state) {
    const TimerQueue::Time now = queue.next().value_or(TimerQueue::Time());
    if (!queue.take_due(now)) fail(state, "the earliest timer did not come out");
    queue.add(now + random_time(random).time_since_epoch(), {});
  }
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

void register_service() {
  describe("micro: service", "BM_ServiceMessage",
           "a message from the reactor to a handler with workers=0");
  describe("micro: timers", "BM_TimerAddCancel",
           "a timer that is added and cancelled while N others wait");
  describe("micro: timers", "BM_TimerTakeAdd",
           "the earliest of N timers comes out and is added again, later");
  benchmark::RegisterBenchmark("BM_ServiceMessage", BM_ServiceMessage)
      ->ArgName("batch")
      ->Arg(1)
      ->Arg(8)
      ->Arg(64);
  benchmark::RegisterBenchmark("BM_TimerAddCancel", BM_TimerAddCancel)
      ->ArgName("pending")
      ->Arg(100'000);
  benchmark::RegisterBenchmark("BM_TimerTakeAdd", BM_TimerTakeAdd)
      ->ArgName("pending")
      ->Arg(100'000);
}

}  // namespace skysock::bench
