// What does one message cost between the reactor and a handler when the reactor thread runs the
// services (workers=0)? No kernel, no second thread at work: what is left is the price of
// core/service itself.

#include <atomic>
#include <thread>

#include "bench/harness.hpp"
#include "core/service/service_host.hpp"

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
  const auto hand_over = [&] {
    for (std::uint64_t call = 0; call < batch; ++call) {
      host.deliver({.kind = EventKind::data, .id = 1, .to = service, .ud = 1});
    }
    host.run();
    host.flush();
  };
  hand_over();
  if (handled != batch) return fail(state, "a message did not reach the handler");
  handled = 0;
  for (auto _ : state) hand_over();
  const std::uint64_t sent = batch * static_cast<std::uint64_t>(state.iterations());
  if (handled != sent) return fail(state, "messages were lost between deliver and the handler");
  state.SetItemsProcessed(static_cast<std::int64_t>(sent));
}

}  // namespace

void register_service() {
  describe("micro: service", "BM_ServiceMessage",
           "a message from the reactor to a handler with workers=0");
  benchmark::RegisterBenchmark("BM_ServiceMessage", BM_ServiceMessage)
      ->ArgName("batch")
      ->Arg(1)
      ->Arg(8)
      ->Arg(64);
}

}  // namespace skysock::bench
