// What does it cost to have a name looked up on the resolver's thread, the look-up itself aside: a
// question to that thread and its answer back? With `scripted` the look-up is a copy of an answer;
// with `numeric` it is the system's getaddrinfo of a numeric address, which asks nobody.

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness.hpp"
#include "bench/settings.hpp"
#include "core/base/check.hpp"
#include "core/service/event_count.hpp"
#include "core/sys/resolver.hpp"

namespace skysock::bench {
namespace {

constexpr std::uint16_t kPort = 8001;
const std::string kHost = "127.0.0.1";

/// Asks, and sleeps like a reactor until there are answers.
class Asker {
 public:
  explicit Asker(LinuxResolver::Lookup lookup)
      : resolver_(
            [this] {
              ready_.fetch_add(1);
              changed_.notify_one();
            },
            [lookup = std::move(lookup), pinned = false](const std::string& host,
                                                         std::uint16_t port) mutable {
              // Where the server's threads would be. Once: it is always the same thread.
              if (!std::exchange(pinned, true)) {
                SKYSOCK_CHECK(pin_thread(settings().placement.server_cpu).has_value());
              }
              return lookup(host, port);
            }) {}

  /// Asks `in_flight` questions and takes all answers; false when one is wrong.
  bool ask(std::uint64_t in_flight, const std::string& expected) {
    for (std::uint64_t question = 0; question < in_flight; ++question) {
      resolver_.ask({.tag = asked_ + question, .host = kHost, .port = kPort});
    }
    for (const std::uint64_t end = asked_ + in_flight; asked_ < end; ++asked_) {
      wait_for(asked_ + 1);
      const std::optional<ResolverAnswer> answer = resolver_.take();
      if (!answer || answer->tag != asked_ || !answer->endpoints ||
          answer->endpoints->front().text() != expected) {
        return false;
      }
    }
    return true;
  }

 private:
  void wait_for(std::uint64_t answers) {
    while (ready_.load() < answers) {
      const EventCount::Key key = changed_.prepare();
      if (ready_.load() >= answers) {
        changed_.cancel();
      } else {
        changed_.wait(key);
      }
    }
  }

  EventCount changed_;
  std::atomic<std::uint64_t> ready_ = 0;
  std::uint64_t asked_ = 0;
  LinuxResolver resolver_;  ///< Last: its thread uses the others until it is gone.
};

void BM_Resolver(benchmark::State& state, const LinuxResolver::Lookup& lookup) {
  const auto in_flight = static_cast<std::uint64_t>(state.range(0));
  const std::string expected = Endpoint::from_numeric(kHost, kPort)->text();
  Asker asker(lookup);
  // The answer is checked, and the thread runs, before anything is timed.
  bool right = asker.ask(in_flight, expected);
  for (auto _ : state) {
    right = right && asker.ask(in_flight, expected);
    if (!right) break;
  }
  if (!right) return fail(state, "an answer of the resolver was lost, wrong or out of order");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

void register_resolver() {
  describe("micro: sockets", "BM_Resolver",
           "a question to the resolver's thread and the answer back, no name asked for");
  const auto add = [](const char* name, LinuxResolver::Lookup lookup) {
    benchmark::RegisterBenchmark(name, BM_Resolver, std::move(lookup))
        ->ArgName("in_flight")
        ->ArgsProduct({values({1, 64}, {1, 16, 64, 256})})
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  };
  add("BM_Resolver/scripted", [](const std::string& host, std::uint16_t port) {
    return Result<std::vector<Endpoint>>({*Endpoint::from_numeric(host, port)});
  });
  add("BM_Resolver/numeric",
      [](const std::string& host, std::uint16_t port) { return resolve(host, port); });
}

}  // namespace skysock::bench
