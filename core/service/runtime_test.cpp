// Do services get each message once, in order, one at a time, and do they end cleanly? On real
// threads and sockets.

#include "core/service/runtime.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

namespace skysock {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<Runtime> runtime(std::string_view tuning = "") {
  auto started = Runtime::start(parse_tuning(tuning).value());
  EXPECT_TRUE(started.has_value());
  return std::move(*started);
}

Message text(std::string_view words, Session session = 0) {
  return {.type = MessageType::text, .session = session, .payload = Block::copy_of(words)};
}

/// Lets a test wait for something that a handler does.
class Signal {
 public:
  void raise(int value = 1) {
    const std::lock_guard lock(mutex_);
    value_ += value;
    raised_.notify_all();
  }
  [[nodiscard]] bool wait_for(int value) {
    std::unique_lock lock(mutex_);
    return raised_.wait_for(lock, seconds(20), [&] { return value_ >= value; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable raised_;
  int value_ = 0;
};

TEST(Runtime, AServiceGetsItsMessagesInTheOrderOfOneSender) {
  Signal done;
  std::vector<Session> got;
  const auto node = runtime("workers=4");
  const ServiceHandle service = node->spawn("collector", [&](ServiceHandle) -> MessageHandler {
    return [&](Message&& message) {
      got.push_back(message.session);
      if (got.size() == 10'000) done.raise();
    };
  });
  for (Session session = 0; session < 10'000; ++session) {
    ASSERT_TRUE(node->post(service, text("", session)));
  }
  ASSERT_TRUE(done.wait_for(1));
  node->stop();
  for (Session session = 0; session < 10'000; ++session) {
    ASSERT_EQ(got[static_cast<std::size_t>(session)], session);
  }
}

TEST(Runtime, AHandlerNeverRunsOnTwoWorkersAtOnce) {
  Signal done;
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  const auto node = runtime("workers=4");
  const ServiceHandle service = node->spawn("one", [&](ServiceHandle) -> MessageHandler {
    return [&](Message&&) {
      if (inside.fetch_add(1) != 0) overlapped = true;
      inside.fetch_sub(1);
      done.raise();
    };
  });
  std::vector<std::thread> senders;
  for (int sender = 0; sender < 3; ++sender) {
    senders.emplace_back([&] {
      for (int turn = 0; turn < 3'000; ++turn) node->post(service, text("x"));
    });
  }
  for (std::thread& sender : senders) sender.join();
  ASSERT_TRUE(done.wait_for(9'000));
  EXPECT_FALSE(overlapped);
}

TEST(Runtime, G06_OneRunnableServiceIsServedThoughAllWorkersSleep) {
  const auto node = runtime("workers=2");
  Signal pong;
  const ServiceHandle service = node->spawn(
      "ping", [&](ServiceHandle) -> MessageHandler { return [&](Message&&) { pong.raise(); }; });
  for (int turn = 1; turn <= 500; ++turn) {
    ASSERT_TRUE(node->post(service, text("")));
    ASSERT_TRUE(pong.wait_for(turn));
  }
}

TEST(Runtime, MessagesToARetiredServiceAreRefusedAndItsHandlerIsDestroyed) {
  const auto node = runtime();
  auto alive = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = alive;
  Signal seen;
  const ServiceHandle service = node->spawn("short", [&](ServiceHandle) -> MessageHandler {
    return [held = std::move(alive), &seen](Message&&) { seen.raise(*held); };
  });
  ASSERT_TRUE(node->post(service, text("")));
  ASSERT_TRUE(seen.wait_for(1));
  node->retire(service);
  EXPECT_FALSE(node->post(service, text("")));
  node->wait();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(node->service_count(), 0U);
}

TEST(Runtime, AServiceMayRetireItselfAndSeesNoFurtherMessage) {
  const auto node = runtime();
  std::atomic<int> handled{0};
  Runtime* raw = node.get();
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  const ServiceHandle service = node->spawn("self", [&](ServiceHandle self) -> MessageHandler {
    return [&handled, raw, self, opened](Message&&) {
      opened.wait();
      ++handled;
      raw->retire(self);
    };
  });
  for (int turn = 0; turn < 100; ++turn) node->post(service, text("x"));
  gate.set_value();
  node->wait();
  EXPECT_EQ(handled, 1);
}

TEST(Runtime, MessagesPostedWhileAServiceIsMadeWaitForIt) {
  const auto node = runtime();
  Signal got;
  Runtime* raw = node.get();
  node->spawn("early", [&](ServiceHandle self) -> MessageHandler {
    EXPECT_TRUE(raw->post(self, text("before the handler")));
    return [&](Message&&) { got.raise(); };
  });
  EXPECT_TRUE(got.wait_for(1));
}

TEST(Runtime, TimersFireInTimeOrderAndEqualOnesInTheOrderAsked) {
  const auto node = runtime();
  Signal done;
  std::vector<Session> fired;
  const ServiceHandle service = node->spawn("timers", [&](ServiceHandle) -> MessageHandler {
    return [&](Message&& message) {
      EXPECT_EQ(message.type, MessageType::response);
      fired.push_back(message.session);
      done.raise();
    };
  });
  const auto before = std::chrono::steady_clock::now();
  node->post_after(milliseconds(40), service, 3);
  node->post_after(milliseconds(20), service, 2);
  node->post_after(milliseconds(0), service, 1);
  ASSERT_TRUE(done.wait_for(3));
  EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(40));
  node->stop();
  EXPECT_EQ(fired, (std::vector<Session>{1, 2, 3}));
}

TEST(Runtime, StopEndsServicesThatStillHaveMessagesAndTimers) {
  const auto node = runtime("workers=2");
  for (int turn = 0; turn < 20; ++turn) {
    const ServiceHandle service = node->spawn("busy", [&](ServiceHandle self) -> MessageHandler {
      Runtime* raw = node.get();
      return [raw, self](Message&&) {
        raw->post(self, text("again"));
        raw->post_after(milliseconds(1), self, 1);
      };
    });
    node->post(service, text("go"));
  }
  node->stop();
  EXPECT_EQ(node->service_count(), 0U);
  EXPECT_EQ(node->spawn("late", [](ServiceHandle) -> MessageHandler { return [](Message&&) {}; }),
            0U);
}

TEST(Runtime, AnEchoServiceAnswersOverRealSockets) {
  const auto node = runtime("workers=2");
  Runtime* raw = node.get();
  Signal listening;
  std::atomic<std::int64_t> port{0};
  node->spawn("echo", [&](ServiceHandle self) -> MessageHandler {
    EXPECT_TRUE(raw->sockets().listen(self, "127.0.0.1", 0).has_value());
    return [&, raw, self](Message&& message) {
      auto& socket = std::get<SocketMessage>(message.payload);
      SocketServer<LinuxSys>& sockets = raw->sockets();
      if (socket.type == SocketMessageType::connect && port == 0) {
        port = socket.ud;
        EXPECT_TRUE(sockets.start(self, socket.id).has_value());
        listening.raise();
      } else if (socket.type == SocketMessageType::accept) {
        EXPECT_TRUE(sockets.start(self, static_cast<SocketId>(socket.ud)).has_value());
      } else if (socket.type == SocketMessageType::data) {
        EXPECT_TRUE(sockets.send(socket.id, std::move(socket.data)).has_value());
      }
    };
  });
  ASSERT_TRUE(listening.wait_for(1));
  Signal echoed;
  std::string got;
  node->spawn("client", [&](ServiceHandle self) -> MessageHandler {
    const auto id = raw->sockets().open(self, "localhost", static_cast<std::uint16_t>(port.load()));
    EXPECT_TRUE(id.has_value());
    EXPECT_TRUE(raw->sockets().send(*id, Block::copy_of("hello")).has_value());
    return [&](Message&& message) {
      const auto& socket = std::get<SocketMessage>(message.payload);
      if (socket.type != SocketMessageType::data) return;
      got += socket.data.text();
      if (got == "hello") echoed.raise();
    };
  });
  EXPECT_TRUE(echoed.wait_for(1));
}

}  // namespace
}  // namespace skysock
