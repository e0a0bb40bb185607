// How long is a message on its way from the reactor to a handler on a worker's thread, and a
// command on its way back, when the worker sleeps and when it is busy with other services? A whole
// runtime with one worker and one socket: the handler gives a start(), the reactor carries it out
// and answers with OPEN. The reactor sleeps before each command. Leaves out what happens with
// several workers. With --placement cross-cpu each of the two threads has a CPU of its own.

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <utility>

#include "bench/harness.hpp"
#include "bench/load/latency.hpp"
#include "bench/load/socket.hpp"
#include "bench/settings.hpp"
#include "core/base/check.hpp"
#include "core/service/runtime.hpp"

namespace skysock::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kBatch = 64;
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kOthers = 4;  // Services that keep the worker busy.

/// Does `pin` once per thread that says so.
void pin_once(bool& pinned, std::optional<int> cpu) {
  if (!std::exchange(pinned, true)) SKYSOCK_CHECK(pin_thread(cpu).has_value());
}

/// One socket that a service starts again and again. What is written by one thread is read by
/// another only after a hand-off between them.
class PingPong {
 public:
  /// Error: what failed.
  static load::Outcome<std::unique_ptr<PingPong>> create(bool busy) {
    auto made = std::unique_ptr<PingPong>(new PingPong());
    const auto started = made->start(busy);
    if (!started) return std::unexpected(started.error());
    return made;
  }
  ~PingPong() {
    over_ = true;
    // Services use the pointer until they have ended.
    if (runtime_) runtime_->stop();
  }
  PingPong(const PingPong&) = delete;
  PingPong& operator=(const PingPong&) = delete;

  /// Hands over kBatch times each way. Error: it was not done in time, or an answer was wrong.
  load::Outcome<void> run() {
    left_ = kBatch;
    const std::uint64_t steps_before = steps_;
    given_ = Clock::now();
    if (!runtime_->sockets().start(service_, id_)) return std::unexpected("start was refused");
    if (!done_.try_acquire_for(kPatience)) return std::unexpected("a message or command was lost");
    if (wrong_ != 0 || steps_ - steps_before != kBatch) {
      return std::unexpected("a command or its answer came twice, or another one came");
    }
    return {};
  }

  void forget() { forth_ = back_ = {}; }
  [[nodiscard]] const load::LatencyHistogram& forth() const { return forth_; }
  [[nodiscard]] const load::LatencyHistogram& back() const { return back_; }
  [[nodiscard]] std::uint64_t wakeups() const { return runtime_->counts().wakeups; }

 private:
  PingPong() = default;

  load::Outcome<void> start(bool busy) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return std::unexpected("socketpair: " + load::errno_text(errno));
    }
    ours_ = load::Fd(ends[0]);
    peer_ = load::Fd(ends[1]);
    auto runtime = Runtime::start(
        {.workers = 1}, {.on_overload = [](ServiceHandle, std::string_view, std::size_t) {},
                         .observer = {.context = this, .on_step = [](void* self, const Step& step) {
                                        static_cast<PingPong*>(self)->carried_out(step);
                                      }}});
    if (!runtime) return std::unexpected("runtime: " + runtime.error().message());
    runtime_ = std::move(*runtime);
    service_ = runtime_->spawn("ping", [this](ServiceHandle) -> MessageHandler {
      return [this](Message&& message) { arrived(message); };
    });
    for (std::size_t other = 0; busy && other < kOthers; ++other) keep_busy();
    left_ = 1;
    const auto bound = runtime_->sockets().bind(service_, ours_.get());
    if (!bound) return std::unexpected("bind: " + bound.error().message());
    id_ = *bound;
    if (!done_.try_acquire_for(kPatience)) return std::unexpected("bind: no answer");
    return {};
  }

  /// A service that always has a message waiting.
  void keep_busy() {
    const ServiceHandle other = runtime_->spawn("busy", [this](ServiceHandle self) {
      return MessageHandler([this, self](Message&&) {
        if (!over_) runtime_->post(self, {});
      });
    });
    runtime_->post(other, {});
  }

  /// On the reactor's thread.
  void carried_out(const Step& step) {
    pin_once(reactor_pinned_, settings().placement.server_cpu);
    if (step.rule.input != Input::start) return;
    delivered_ = Clock::now();
    back_.record(delivered_ - given_);
    ++steps_;
  }

  /// On the worker's thread.
  void arrived(const Message& message) {
    const auto now = Clock::now();
    const auto* socket = std::get_if<SocketMessage>(&message.payload);
    if (socket != nullptr && socket->data.text() == "transfer") {
      forth_.record(now - delivered_);
    } else if (socket == nullptr || socket->data.text() != "binding") {
      ++wrong_;
    }
    pin_once(worker_pinned_, settings().placement.load_cpu);
    if (--left_ == 0) return done_.release();
    given_ = Clock::now();
    if (!runtime_->sockets().start(service_, id_)) ++wrong_;
  }

  load::Fd ours_;
  load::Fd peer_;
  std::unique_ptr<Runtime> runtime_;
  ServiceHandle service_ = 0;
  SocketId id_ = 0;
  std::atomic<bool> over_ = false;
  std::binary_semaphore done_{0};

  Clock::time_point given_;      ///< The command.
  Clock::time_point delivered_;  ///< Its answer.
  std::uint64_t left_ = 0;
  std::uint64_t steps_ = 0;
  int wrong_ = 0;
  load::LatencyHistogram forth_;
  load::LatencyHistogram back_;
  bool reactor_pinned_ = false;
  bool worker_pinned_ = false;
};

void report(benchmark::State& state, const char* way, const load::LatencyHistogram& latencies) {
  const auto us = [&](double share) {
    return static_cast<double>(latencies.percentile(share).count()) / 1e3;
  };
  state.counters[std::string(way) + "_p50_us"] = us(0.5);
  state.counters[std::string(way) + "_p99_us"] = us(0.99);
}

void BM_HandOff(benchmark::State& state, bool busy) {
  auto game = PingPong::create(busy);
  if (!game) return fail(state, game.error());
  // The answer is checked, and the threads are where they belong, before anything is timed.
  if (const auto checked = (*game)->run(); !checked) return fail(state, checked.error());
  (*game)->forget();
  const std::uint64_t wakeups_before = (*game)->wakeups();
  for (auto _ : state) {
    if (const auto done = (*game)->run(); !done) return fail(state, done.error());
  }
  const std::uint64_t wakeups = (*game)->wakeups() - wakeups_before;
  const std::uint64_t messages = kBatch * static_cast<std::uint64_t>(state.iterations());
  if ((*game)->forth().count() != messages || (*game)->back().count() != messages) {
    return fail(state, "messages and commands are not as many as were handed over");
  }
  if (busy != (wakeups == 0)) {
    return fail(state, busy ? "the busy worker was asleep" : "the worker never slept");
  }
  report(state, "to_handler", (*game)->forth());
  report(state, "to_reactor", (*game)->back());
  state.counters["wakeups_per_message"] =
      static_cast<double>(wakeups) / static_cast<double>(messages);
  state.SetItemsProcessed(static_cast<std::int64_t>(messages));
}

}  // namespace

void register_hand_off() {
  describe("micro: service", "BM_HandOff",
           "latency from the reactor to a handler on a sleeping or busy worker, and back");
  benchmark::RegisterBenchmark("BM_HandOff/sleeping", BM_HandOff, false)->UseRealTime();
  benchmark::RegisterBenchmark("BM_HandOff/busy", BM_HandOff, true)->UseRealTime();
}

}  // namespace skysock::bench
