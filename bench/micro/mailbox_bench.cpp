// How many messages per second get through one mailbox from 1, 2 and 4 threads to the one that has
// the service? The taker sleeps when a look finds nothing and is woken by who is told to schedule.
// Leaves out the run queue and what a service does. All producers are on the load's CPU
// (--placement free spreads them).

#include <atomic>
#include <chrono>
#include <semaphore>
#include <thread>
#include <vector>

#include "bench/harness.hpp"
#include "bench/settings.hpp"
#include "core/base/check.hpp"
#include "core/service/mailbox.hpp"

namespace skysock::bench {
namespace {

constexpr std::int64_t kBatch = 200'000;  // Hides the start of the threads.
constexpr ServiceHandle kService = 1;
constexpr std::chrono::seconds kPatience{10};

/// A mailbox whose service sleeps while it is idle.
struct Inbox {
  Inbox() { mailbox.open(kService); }

  void push(std::size_t producer, std::int64_t number) {
    const auto pushed =
        mailbox.push(kService, {.type = MessageType::socket,
                                .payload = SocketMessage{.type = SocketMessageType::data,
                                                         .id = static_cast<SocketId>(producer),
                                                         .ud = number}});
    if (pushed == Mailbox::Pushed::refused) ++refused;
    if (pushed == Mailbox::Pushed::schedule) scheduled.release();
  }

  Mailbox mailbox;
  std::counting_semaphore<> scheduled{0};
  std::atomic<int> refused = 0;
};

/// Takes a whole batch; false when a message was not its producer's next.
bool take_batch(Inbox& inbox, std::size_t producers, std::int64_t& turns) {
  std::vector<std::int64_t> last(producers, 0);
  bool right = true;
  for (std::int64_t taken = 0; taken < kBatch;) {
    Message* message = inbox.mailbox.next();
    if (message == nullptr) {
      if (inbox.mailbox.finish() != Mailbox::Finished::idle) continue;
      if (!inbox.scheduled.try_acquire_for(kPatience)) return false;
      ++turns;
      continue;
    }
    const auto& socket = std::get<SocketMessage>(message->payload);
    right &= socket.ud == ++last[static_cast<std::size_t>(socket.id)];
    message->payload = std::monostate();
    ++taken;
  }
  return right && inbox.refused == 0;
}

bool pass_batch(Inbox& inbox, std::size_t producers, std::int64_t& turns) {
  bool right = false;
  std::jthread taker([&] {
    // Where a worker of the server would be.
    SKYSOCK_CHECK(pin_thread(settings().placement.server_cpu).has_value());
    right = take_batch(inbox, producers, turns);
  });
  const auto share = kBatch / static_cast<std::int64_t>(producers);
  const auto produce = [&](std::size_t producer) {
    for (std::int64_t number = 1; number <= share; ++number) inbox.push(producer, number);
  };
  std::vector<std::jthread> others;
  for (std::size_t producer = 1; producer < producers; ++producer) {
    others.emplace_back(produce, producer);
  }
  produce(0);
  others.clear();
  taker.join();
  return right;
}

void BM_Mailbox(benchmark::State& state) {
  const auto producers = static_cast<std::size_t>(state.range(0));
  Inbox inbox;
  std::int64_t turns = 0;
  // The answer is checked, and the memory is there, before anything is timed.
  bool right = pass_batch(inbox, producers, turns);
  turns = 0;
  for (auto _ : state) {
    right = right && pass_batch(inbox, producers, turns);
    if (!right) break;
  }
  if (!right) return fail(state, "messages were refused, lost or out of order");
  const std::int64_t messages = kBatch * static_cast<std::int64_t>(state.iterations());
  state.SetItemsProcessed(messages);
  state.counters["wakeups_per_1000_messages"] =
      1e3 * static_cast<double>(turns) / static_cast<double>(messages);
}

}  // namespace

void register_mailbox() {
  describe("micro: service", "BM_Mailbox",
           "messages through one mailbox from 1, 2 and 4 threads to one that takes them");
  benchmark::RegisterBenchmark("BM_Mailbox", BM_Mailbox)
      ->ArgName("producers")
      ->ArgsProduct({values({1, 2, 4}, {1, 2, 4, 8})})
      ->MeasureProcessCPUTime()
      ->UseRealTime();
}

}  // namespace skysock::bench
