// Does the background resolver answer every question, once and in order, and does its destruction
// neither wait nor call back? Left out: names that need a DNS server.

#include "core/sys/resolver.hpp"

#include <gtest/gtest.h>
#include <netdb.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "core/sys/linux.hpp"

namespace skysock {
namespace {

constexpr std::chrono::seconds kPatience{20};

/// Counts the calls of on_ready and waits for them.
class Bell {
 public:
  std::function<void()> ringer() {
    return [this] {
      const std::lock_guard lock(mutex_);
      ++rings_;
      changed_.notify_all();
    };
  }

  [[nodiscard]] bool rang(std::size_t times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return rings_ >= times; });
  }

  [[nodiscard]] std::size_t rings() {
    const std::lock_guard lock(mutex_);
    return rings_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t rings_ = 0;
};

Result<std::vector<Endpoint>> numeric(const std::string& host, std::uint16_t port) {
  return std::vector{Endpoint::from_numeric(host, port).value()};
}

TEST(Resolver, ANumericAddressIsAnsweredWithItself) {
  LinuxSys sys;
  Bell bell;
  LinuxResolver resolver(sys, bell.ringer());
  EXPECT_FALSE(resolver.take());
  resolver.ask({.tag = 7, .host = "127.0.0.1", .port = 8001});
  ASSERT_TRUE(bell.rang(1));
  const auto answer = resolver.take();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->tag, 7U);
  ASSERT_TRUE(answer->endpoints) << answer->endpoints.error().message();
  ASSERT_EQ(answer->endpoints->size(), 1U);
  EXPECT_EQ(answer->endpoints->front().text(), "127.0.0.1:8001");
  EXPECT_FALSE(resolver.take()) << "given twice";
}

TEST(Resolver, AnImpossibleNameFailsInTheResolversWords) {
  LinuxSys sys;
  Bell bell;
  LinuxResolver resolver(sys, bell.ringer());
  resolver.ask({.tag = 1, .host = "not a host name", .port = 1});
  ASSERT_TRUE(bell.rang(1));
  const auto answer = resolver.take();
  ASSERT_TRUE(answer);
  ASSERT_FALSE(answer->endpoints);
  const std::error_code error = answer->endpoints.error();
  EXPECT_EQ(std::string(error.category().name()), "resolver");
  EXPECT_EQ(error.message(), gai_strerror(error.value()));
}

TEST(Resolver, AnswersComeInTheOrderOfTheQuestions) {
  constexpr std::uint16_t kQuestions = 50;
  Bell bell;
  LinuxResolver resolver(bell.ringer(), numeric);
  for (std::uint16_t at = 0; at < kQuestions; ++at) {
    resolver.ask({.tag = 1000U + at, .host = "192.0.2.1", .port = at});
  }
  ASSERT_TRUE(bell.rang(kQuestions));
  for (std::uint16_t at = 0; at < kQuestions; ++at) {
    const auto answer = resolver.take();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->tag, 1000U + at);
    EXPECT_EQ(answer->endpoints.value().front().port(), at);
  }
  EXPECT_FALSE(resolver.take());
}

TEST(Resolver, ManyThreadsMayAsk) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kQuestions = 50;
  Bell bell;
  LinuxResolver resolver(bell.ringer(), numeric);
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&resolver, thread] {
        for (std::size_t at = 0; at < kQuestions; ++at) {
          resolver.ask({.tag = thread * kQuestions + at, .host = "::1", .port = 1});
        }
      });
    }
  }
  ASSERT_TRUE(bell.rang(kThreads * kQuestions));
  std::set<std::uint64_t> tags;
  while (const auto answer = resolver.take()) tags.insert(answer->tag);
  EXPECT_EQ(tags.size(), kThreads * kQuestions);
  EXPECT_EQ(*tags.rbegin(), kThreads * kQuestions - 1);
}

TEST(Resolver, AnAnswerMayBeTakenByTheCallThatAnnouncesIt) {
  std::promise<std::uint64_t> tag;
  LinuxResolver* resolver = nullptr;
  LinuxResolver made([&] { tag.set_value(resolver->take().value().tag); }, numeric);
  resolver = &made;
  made.ask({.tag = 9, .host = "::1", .port = 1});
  auto taken = tag.get_future();
  ASSERT_EQ(taken.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(taken.get(), 9U);
}

TEST(Resolver, DestructionNeitherWaitsForALookupNorCallsBackAfterIt) {
  auto release = std::make_shared<std::promise<void>>();
  auto entered = std::make_shared<std::promise<void>>();
  // Dies with the thread's last hold on the lookup: the thread is then past its last answer.
  auto life = std::make_shared<int>(0);
  const std::weak_ptr<int> lives = life;
  Bell bell;
  auto resolver = std::make_unique<LinuxResolver>(
      bell.ringer(), [release, entered, life](const std::string& host, std::uint16_t port) {
        entered->set_value();
        release->get_future().wait();
        return numeric(host, port);
      });
  life.reset();
  resolver->ask({.tag = 1, .host = "::1", .port = 1});
  resolver->ask({.tag = 2, .host = "::1", .port = 1});
  ASSERT_EQ(entered->get_future().wait_for(kPatience), std::future_status::ready);
  auto gone = std::async(std::launch::async, [&] { resolver.reset(); });
  EXPECT_EQ(gone.wait_for(kPatience), std::future_status::ready) << "it waits for the lookup";
  release->set_value();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!lives.expired() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(lives.expired()) << "the thread goes on without its resolver";
  EXPECT_EQ(bell.rings(), 0U);
}

TEST(Resolver, AResolverThatWasNeverAskedGoesQuietly) {
  Bell bell;
  {
    const LinuxResolver resolver(bell.ringer(), numeric);
  }
  EXPECT_EQ(bell.rings(), 0U);
}

TEST(Resolver, NoSignalReachesTheLookup) {
  const auto blocked = std::make_shared<std::promise<std::size_t>>();
  LinuxResolver resolver(
      [] {},
      [blocked](const std::string& host, std::uint16_t port) {
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        std::size_t count = 0;
        for (const int number : {SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGCHLD, SIGPIPE}) {
          count += sigismember(&mask, number) == 1 ? 1 : 0;
        }
        blocked->set_value(count);
        return numeric(host, port);
      });
  resolver.ask({.tag = 1, .host = "::1", .port = 1});
  auto count = blocked->get_future();
  ASSERT_EQ(count.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(count.get(), 6U);
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  EXPECT_EQ(sigismember(&own, SIGUSR1), 0) << "the asking thread keeps its own mask";
}

}  // namespace
}  // namespace skysock
