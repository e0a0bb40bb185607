// What shows only after many connections, or with real time: does anything grow, does a name that
// is slow to look up delay anybody else? Real kernel; a few seconds.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>

#include "core/net/socket_server_impl.hpp"
#include "core/net/test_world.hpp"
#include "core/sys/linux_uring.hpp"

// Of the sanitizers' runtime; only called where it is linked. clang++ has a header for it, g++
// none.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();

namespace skysock {
namespace {

// ---- Connections that come and go

#if defined(__has_feature)
constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);
constexpr bool kSanitized = __has_feature(address_sanitizer) || kThreadSanitizer;
#else
constexpr bool kThreadSanitizer = false;
constexpr bool kSanitized = false;
#endif

/// Of this process. A sanitizer keeps what was freed, hundreds of megabytes, but knows what is in
/// use.
std::size_t memory_kib() {
  if constexpr (kSanitized) return __sanitizer_get_current_allocated_bytes() / 1'024;
  std::size_t resident_kib = 0;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") status >> resident_kib;
  }
  return resident_kib;
}

struct Footprint {
  std::size_t descriptors = 0;
  std::size_t kib = 0;
};

Footprint footprint() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return {.descriptors = static_cast<std::size_t>(std::distance(begin(all), end(all))),
          .kib = memory_kib()};
}

/// As many clients at a time as the loopback's ports and the descriptors allow with ease.
class Soak {
 public:
  static constexpr std::size_t kAtATime = 50;

  Soak() { listener_ = world_.listener(); }

  void connect_and_close(std::size_t times) {
    for (std::size_t done = 0; done < times; done += kAtATime) batch();
  }

  World<LinuxSys>& world() { return world_; }

 private:
  void batch() {
    world_.events.clear();
    std::array<int, kAtATime> peers;
    for (int& peer : peers) peer = world_.client();
    ASSERT_TRUE(
        world_.until([&] { return world_.count(EventKind::accept, listener_) == kAtATime; }));
    std::vector<SocketId> ids;
    for (const Event& event : world_.events) ids.push_back(static_cast<SocketId>(event.ud));
    for (const SocketId id : ids) (void)world_.server->start(kOwner, id);
    for (const SocketId id : ids) (void)world_.send(id, "hello", Priority::low);
    // Resets leave no TIME_WAIT behind: a hundred thousand of those would take all ports.
    bool soft = false;
    for (const SocketId id : ids) {
      world_.close(id, std::exchange(soft, !soft) ? CloseMode::soft : CloseMode::abortive);
    }
    ASSERT_TRUE(world_.until([&] {
      return std::ranges::count(world_.events, EventKind::close, &Event::kind) == std::ssize(ids);
    }));
    for (const int peer : peers) world_.peer_reset(peer);
    ASSERT_TRUE(world_.until([&] { return world_.server->counts().slots_used == 1; }));
  }

  World<LinuxSys> world_{parse_tuning("slots=256").value()};
  SocketId listener_ = 0;
};

constexpr std::size_t kTimes = kThreadSanitizer ? 20'000 : 100'000;
constexpr std::size_t kSlackKib = kSanitized ? 100 : 4'000;  // A block per connection is more.

TEST(Soak, AHundredThousandConnectionsLeaveNothingBehind) {
  Soak soak;
  soak.connect_and_close(kTimes / 10);  // What is kept for the next one is there now.
  const Footprint before = footprint();
  soak.connect_and_close(kTimes - kTimes / 10);
  const Footprint after = footprint();
  const SocketServerCounts counts = soak.world().server->counts();
  EXPECT_EQ(counts.accepts, kTimes);
  EXPECT_EQ(counts.slots_used, 1U);
  EXPECT_EQ(counts.payloads_parked, 0U);
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_LT(after.kib, before.kib + kSlackKib);
}

// ---- No descriptor left

TEST(DescriptorLimit, LV27_AClientIsRefusedAndTheNextOneServedWhenDescriptorsAreBack) {
  World<LinuxSys> world;
  const SocketId listener = world.listener();
  std::vector<int> clients;
  for (int count = 0; count < 3; ++count) clients.push_back(world.client());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Every place up to the last client's is taken, and none above it is allowed.
  for (int fd = dup(0); fd >= 0; fd = dup(0)) {
    world.keep(fd);
    if (fd > clients.back()) break;
  }
  const rlimit none{.rlim_cur = static_cast<rlim_t>(clients.back()) + 1,
                    .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const Event* error = world.wait_for(EventKind::error, listener);
  EXPECT_TRUE(world.until([&] { return world.server->counts().refused_accepts == 3; }));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(world.count(EventKind::error, listener), 1U) << "one a second";
  for (const int client : clients) EXPECT_TRUE(world.peer_read(client).eof);
  EXPECT_EQ(world.count(EventKind::accept, listener), 0U);
  world.client();
  EXPECT_NE(world.wait_for(EventKind::accept, listener), nullptr);
}

// ---- Wake-ups

/// A thousand commands, each given when the reactor has gone to sleep: none may be lost, and none
/// may wait for a tick.
TEST(WakeUp, LV31_ACommandEndsTheReactorsSleepAtOnce) {
  for (const char* tuning : {"control=ring", "control=pipe", "poller=io_uring"}) {
    SCOPED_TRACE(tuning);
    LinuxSys sys;
    std::atomic<int> heard{0};
    const EventSink sink{.context = &heard, .deliver = [](void* context, Event&&) {
                           static_cast<std::atomic<int>*>(context)->fetch_add(1);
                           return true;
                         }};
    auto server = *SocketServer<LinuxSys>::create(sys, parse_tuning(tuning).value(), sink);
    std::jthread reactor([&] {
      while (server->poll(-1)) {
      }
    });
    std::vector<std::chrono::nanoseconds> waits;
    const std::int64_t limit_ms = sys.now_ms() + 30'000;
    for (int turn = 1; turn <= 1'000; ++turn) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      const auto begin = std::chrono::steady_clock::now();
      ASSERT_TRUE(server->start(kOwner, 12'345).has_value());
      while (heard < turn && sys.now_ms() < limit_ms) sys.yield_thread();
      waits.emplace_back(std::chrono::steady_clock::now() - begin);
    }
    EXPECT_EQ(heard, 1'000) << "a wake-up was lost";
    std::ranges::sort(waits);
    // The fastest tenth does not depend on how loaded the machine is; on a tick it would.
    EXPECT_LT(waits[100], std::chrono::milliseconds(1));
    EXPECT_TRUE(server->exit().has_value());
    server->wake();
  }
}

// ---- A slow name

/// Closed until it is opened.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

Gate names_gate;  ///< Resolver threads outlive their test.

/// Linux, but every name is looked up until the test lets go.
struct SlowNamesSys : LinuxSys {
  struct Resolver : LinuxResolver {
    Resolver(SlowNamesSys&, std::function<void()> on_ready)
        : LinuxResolver(std::move(on_ready), look_up) {}

    static Result<std::vector<Endpoint>> look_up(const std::string&, std::uint16_t port) {
      names_gate.wait();
      return std::vector{*Endpoint::from_numeric("127.0.0.1", port)};
    }
  };
};

}  // namespace

template <>
struct KernelTraits<SlowNamesSys> : KernelTraits<LinuxSys> {};

namespace {

class SlowName : public testing::Test {
 protected:
  SlowName() : pair(world.connection()) { names_gate.set(false); }
  ~SlowName() override { names_gate.set(true); }

  /// The 99th percentile of echoes through the server, in microseconds.
  std::int64_t echo_p99_us() {
    constexpr std::size_t kEchoes = 300;
    std::vector<std::int64_t> us;
    for (std::size_t turn = 0; turn < kEchoes; ++turn) {
      world.events.clear();
      const auto begin = std::chrono::steady_clock::now();
      world.peer_send(pair.peer, "ping");
      while (world.data_of(pair.id).empty()) world.server->poll(1);
      EXPECT_TRUE(world.send(pair.id, "pong"));
      EXPECT_EQ(world.peer_read(pair.peer, 4).text, "pong");
      const auto took = std::chrono::steady_clock::now() - begin;
      us.push_back(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    }
    std::ranges::sort(us);
    return us[kEchoes * 99 / 100];
  }

  static std::int64_t median(std::vector<std::int64_t> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
  }

  World<SlowNamesSys> world;
  World<SlowNamesSys>::Pair pair;
};

/// Alone and meanwhile take turns, so that the noise of the machine meets both.
TEST_F(SlowName, ItsLookupDelaysNoEcho) {
  constexpr int kRounds = 15;
  std::vector<std::int64_t> alone_us;
  std::vector<std::int64_t> meanwhile_us;
  for (int round = 0; round < kRounds; ++round) {
    names_gate.set(false);
    alone_us.push_back(echo_p99_us());
    const SocketId id = world.server->open(kOwner, "slow.example", world.port).value();
    world.server->poll(0);
    meanwhile_us.push_back(echo_p99_us());
    ASSERT_EQ(world.server->state(id), State::resolving);
    names_gate.set(true);
    ASSERT_TRUE(world.until([&] { return world.server->state(id) == State::connected; }));
    world.close(id, CloseMode::abortive);
    ASSERT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
  }
  std::cout << "echo p99, median of " << kRounds << ": alone " << median(alone_us)
            << " us, beside a lookup " << median(meanwhile_us) << " us\n";
  // A server that waited would never answer; the bound leaves room for a busy machine.
  EXPECT_LE(median(meanwhile_us), median(alone_us) * 2 + 500);
}

TEST_F(SlowName, ItsCloseIsAnsweredAtOnceAndTheServerEndsWithoutWaiting) {
  const SocketId id = world.server->open(kOwner, "slow.example", world.port).value();
  world.server->poll(0);
  ASSERT_EQ(world.server->state(id), State::resolving);
  world.close(id);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  const SocketId left = world.server->open(kOwner, "slow.example", world.port).value();
  world.server->poll(0);
  ASSERT_EQ(world.server->state(left), State::resolving);
  world.server.reset();  // One that waited would wait for ever: the gate is closed.
}

}  // namespace
}  // namespace skysock
