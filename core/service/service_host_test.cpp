// Services without workers, on the test's own thread: what happens to each message, in what order,
// and when does the host ask to be run again? Nothing here depends on time.

#include "core/service/service_host.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace skysock {
namespace {

struct Overload {
  std::string name;
  std::size_t length;
  bool operator==(const Overload&) const = default;
};

class ServiceHostTest : public testing::Test {
 protected:
  ServiceHostTest() { host_.adopt_thread(); }
  ~ServiceHostTest() override {
    for (const ServiceHandle handle : host_.registry().close()) host_.retire(handle);
    run_to_rest();
    EXPECT_EQ(host_.scheduler().run_queue_length(), 0U);
    EXPECT_EQ(posted_, host_.scheduler().handled() + host_.dropped() - answers_) << "conservation";
  }

  ServiceHandle spawn(std::function<void(ServiceHandle, Message&&)> handle,
                      std::string name = "test") {
    return host_.spawn(std::move(name), [&](ServiceHandle self) -> MessageHandler {
      return [handle, self](Message&& message) { handle(self, std::move(message)); };
    });
  }

  /// A service that writes down what it gets.
  ServiceHandle spawn_recorder() {
    return spawn([this](ServiceHandle, Message&& message) { seen_.push_back(std::move(message)); });
  }

  bool post(ServiceHandle to, Message&& message = {}) {
    ++posted_;
    return host_.post(to, std::move(message));
  }

  void run_to_rest() {
    do {
      wakeups_ = 0;
      host_.run();
    } while (wakeups_ > 0);
  }

  static Message numbered(Session session, ServiceHandle source = 0) {
    return {.session = session, .source = source};
  }

  std::uint64_t posted_ = 0;
  std::uint64_t answers_ = 0;  ///< Error messages that the host itself posted.
  int wakeups_ = 0;
  std::vector<Message> seen_;
  std::vector<Overload> overloads_;
  std::vector<ServiceHandle> ended_;
  ServiceHost host_{0,
                    {.overloaded =
                         [this](ServiceHandle, std::string_view name, std::size_t length) {
                           overloads_.push_back({.name = std::string(name), .length = length});
                         },
                     .ended = [this](ServiceHandle handle) { ended_.push_back(handle); },
                     .wake_reactor = [this] { ++wakeups_; }}};
};

TEST_F(ServiceHostTest, APostRunsNothingUntilRun) {
  const ServiceHandle service = spawn_recorder();
  EXPECT_TRUE(post(service, numbered(1)));
  EXPECT_TRUE(seen_.empty());
  host_.run();
  EXPECT_EQ(seen_.size(), 1U);
}

TEST_F(ServiceHostTest, AnEventBecomesAMessageOfItsOwnerWithTheSamePayload) {
  const ServiceHandle service = spawn_recorder();
  ++posted_;
  EXPECT_TRUE(host_.deliver({.kind = EventKind::data,
                             .id = 4,
                             .to = service,
                             .ud = 5,
                             .data = Block::copy_of(std::string_view("hello"))}));
  host_.run();
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(std::get<SocketMessage>(seen_[0].payload).data.text(), "hello");
}

TEST_F(ServiceHostTest, AnEventForNobodyIsRefused) {
  ++posted_;
  EXPECT_FALSE(host_.deliver({.kind = EventKind::close, .id = 4, .to = 77}));
}

/// What the reactor hands over when a read ends, and services may run.
class DeliverAndRunTest : public ServiceHostTest {
 protected:
  bool deliver_and_run(ServiceHandle to, std::string_view text) {
    ++posted_;
    return host_.deliver_and_run({.kind = EventKind::data,
                                  .id = 4,
                                  .to = to,
                                  .ud = static_cast<std::int64_t>(text.size()),
                                  .data = Block::copy_of(text)});
  }
};

TEST_F(DeliverAndRunTest, TheOwnerIsCalledAtOnceWithTheSameMessage) {
  const ServiceHandle service = spawn_recorder();
  run_to_rest();
  EXPECT_TRUE(deliver_and_run(service, "hello"));
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].type, MessageType::socket);
  const auto& socket = std::get<SocketMessage>(seen_[0].payload);
  EXPECT_EQ(socket.type, SocketMessageType::data);
  EXPECT_EQ(socket.id, 4);
  EXPECT_EQ(socket.ud, 5);
  EXPECT_EQ(socket.data.text(), "hello");
  EXPECT_EQ(host_.scheduler().handled(), 1U);
}

TEST_F(DeliverAndRunTest, WhatWaitsForTheOwnerComesFirst) {
  const ServiceHandle service = spawn_recorder();
  run_to_rest();
  post(service, numbered(1));                               // Beside the mailbox,
  std::thread([&] { post(service, numbered(2)); }).join();  // and, from elsewhere, in it.
  EXPECT_TRUE(deliver_and_run(service, "third"));
  run_to_rest();
  ASSERT_EQ(seen_.size(), 3U);
  EXPECT_EQ(seen_[0].session, 1);
  EXPECT_EQ(seen_[1].session, 2);
  EXPECT_EQ(seen_[2].type, MessageType::socket);
}

TEST_F(DeliverAndRunTest, WhatWaitsForOthersHasItsTurnToo) {
  const ServiceHandle recorder = spawn_recorder();
  const ServiceHandle owner = spawn([](ServiceHandle, Message&&) {});
  run_to_rest();
  std::thread([&] { post(recorder, numbered(7)); }).join();
  EXPECT_TRUE(deliver_and_run(owner, "x"));
  EXPECT_EQ(seen_.size(), 1U);
}

TEST_F(DeliverAndRunTest, WhatTheOwnerPostsIsHandledBeforeItReturns) {
  const ServiceHandle recorder = spawn_recorder();
  const ServiceHandle owner = spawn([&](ServiceHandle, Message&&) { post(recorder, numbered(9)); });
  run_to_rest();
  EXPECT_TRUE(deliver_and_run(owner, "x"));
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].session, 9);
}

TEST_F(DeliverAndRunTest, AnOwnerThatEndsWhileItIsCalledIsGoneForTheNextEvent) {
  const ServiceHandle owner =
      spawn([&](ServiceHandle self, Message&&) { EXPECT_TRUE(host_.retire(self)); });
  run_to_rest();
  EXPECT_TRUE(deliver_and_run(owner, "x"));
  EXPECT_EQ(ended_, std::vector{owner});
  EXPECT_FALSE(deliver_and_run(owner, "y"));
  EXPECT_EQ(host_.dropped(), 1U);
}

TEST_F(DeliverAndRunTest, AThreadThatRunsNoServicesOnlyQueues) {
  const ServiceHandle service = spawn_recorder();
  run_to_rest();
  std::thread([&] {
    ++posted_;
    EXPECT_TRUE(host_.deliver({.kind = EventKind::data, .id = 4, .to = service}));
    EXPECT_FALSE(host_.scheduler().may_run_now(*host_.registry().find(service), service));
  }).join();
  EXPECT_TRUE(seen_.empty());
  run_to_rest();
  EXPECT_EQ(seen_.size(), 1U);
}

TEST_F(ServiceHostTest, G08_APostToNobodyIsRefusedAndFreesThePayload) {
  for (const ServiceHandle nobody : {0U, 1U, 77U, ~0U}) {
    Message message{.payload = Block::copy_of(std::string_view("freed"))};
    EXPECT_FALSE(post(nobody, std::move(message)));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(message.payload));
  }
  EXPECT_EQ(host_.dropped(), 4U);
}

TEST_F(ServiceHostTest, WhatHandlersPostIsHandledInTheSameRun) {
  const ServiceHandle last = spawn_recorder();
  const ServiceHandle middle =
      spawn([&](ServiceHandle, Message&& message) { post(last, std::move(message)); });
  post(middle, numbered(1));
  post(middle, numbered(2));
  host_.run();
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_EQ(seen_[0].session, 1);
  EXPECT_EQ(seen_[1].session, 2);
  EXPECT_EQ(wakeups_, 0) << "nothing is left, nobody is to be woken";
}

TEST_F(ServiceHostTest, AServiceThatNeverComesToRestLeavesTheRunAfterABoundedNumberOfMessages) {
  std::uint64_t handled = 0;
  const ServiceHandle busy = spawn([&](ServiceHandle self, Message&&) {
    ++handled;
    if (handled < 10'000) post(self);
  });
  const ServiceHandle other = spawn_recorder();
  post(busy);
  post(other);
  host_.run();
  EXPECT_EQ(handled + 1, Scheduler::kRunMessagesMax);
  EXPECT_EQ(seen_.size(), 1U) << "the other had its turn";
  EXPECT_EQ(wakeups_, 1) << "the host asked to be run again";
  EXPECT_EQ(host_.scheduler().run_queue_length(), 1U);
  run_to_rest();
  EXPECT_EQ(handled, 10'000U);
}

TEST_F(ServiceHostTest, AServiceThatNeverComesToRestDoesNotKeepTheOthersFromTheirTurn) {
  bool busy = true;
  const ServiceHandle restless = spawn([&](ServiceHandle self, Message&&) {
    if (busy) post(self);
  });
  const ServiceHandle recorder = spawn_recorder();
  const ServiceHandle ending = spawn_recorder();
  run_to_rest();
  post(restless);
  std::thread([&] { post(recorder, numbered(1)); }).join();
  host_.retire(ending);
  host_.run();
  EXPECT_EQ(seen_.size(), 1U);
  EXPECT_EQ(ended_, std::vector<ServiceHandle>{ending});
  busy = false;
  run_to_rest();
}

TEST_F(ServiceHostTest, WhatWaitsBesideAMailboxIsHandledBeforeWhatTheSameThreadPutIntoIt) {
  bool busy = true;
  const ServiceHandle restless = spawn([&](ServiceHandle self, Message&&) {
    if (busy) post(self);
  });
  const ServiceHandle recorder = spawn_recorder();
  const ServiceHandle sender = spawn([&](ServiceHandle, Message&&) {
    for (Session session = 1; session <= 200; ++session) post(recorder, numbered(session));
  });
  post(restless);
  post(sender);
  host_.run();
  ASSERT_EQ(seen_.size(), 200U);
  for (Session session = 1; session <= 200; ++session) {
    EXPECT_EQ(seen_[static_cast<std::size_t>(session) - 1].session, session);
  }
  busy = false;
  run_to_rest();
}

TEST_F(ServiceHostTest, AFullMailboxDoesNotMakeTheOthersWaitForAllOfIt) {
  int before_other = 0;
  bool other_ran = false;
  const ServiceHandle full = spawn([&](ServiceHandle, Message&&) { before_other += !other_ran; });
  const ServiceHandle other = spawn([&](ServiceHandle, Message&&) { other_ran = true; });
  for (int turn = 0; turn < 100'000; ++turn) post(full);
  post(other);
  run_to_rest();
  EXPECT_LE(before_other, static_cast<int>(kTurnMessagesMax + Mailbox::kBesideMessagesMax));
}

TEST_F(ServiceHostTest, APostFromAnotherThreadWakesTheReactorOnceUntilItRuns) {
  const ServiceHandle service = spawn_recorder();
  const ServiceHandle second = spawn_recorder();
  std::thread([&] {
    post(service);
    post(second);
    post(service);
  }).join();
  EXPECT_EQ(wakeups_, 1);
  host_.run();
  EXPECT_EQ(seen_.size(), 3U);
  std::thread([&] { post(service); }).join();
  EXPECT_EQ(wakeups_, 2);
}

TEST_F(ServiceHostTest, WhatFirstWasPostedElsewhereAndThenHereIsHandledInThatOrder) {
  const ServiceHandle service = spawn_recorder();
  std::thread([&] { post(service, numbered(1)); }).join();
  post(service, numbered(2));
  host_.run();
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_EQ(seen_[0].session, 1);
}

TEST_F(ServiceHostTest, WhatTheThreadIsInsideOfIsSeenDuringAMessageAndNotAfter) {
  const Activity& activity = host_.scheduler().activities().front();
  Activity::Snapshot inside;
  const ServiceHandle service =
      spawn([&](ServiceHandle, Message&&) { inside = activity.snapshot(); });
  post(service, {.type = MessageType::system, .session = 5, .source = 6});
  host_.run();
  EXPECT_EQ(inside.service, service);
  EXPECT_EQ(inside.source, 6U);
  EXPECT_EQ(inside.session, 5);
  EXPECT_EQ(inside.type, MessageType::system);
  EXPECT_EQ(activity.snapshot().service, 0U);
}

TEST_F(ServiceHostTest, OverloadIsReportedWithNameAndLength) {
  const ServiceHandle service = spawn([](ServiceHandle, Message&&) {}, "slow");
  for (int turn = 0; turn < 5'000; ++turn) post(service);
  run_to_rest();
  // Those beside the mailbox were handled before its turn.
  EXPECT_EQ(
      overloads_,
      (std::vector<Overload>{{.name = "slow", .length = 5'000 - Mailbox::kBesideMessagesMax}}));
  for (int turn = 0; turn < 1'100; ++turn) post(service);
  run_to_rest();
  EXPECT_EQ(overloads_.size(), 2U) << "it was empty meanwhile";
}

TEST_F(ServiceHostTest, OverloadThatComesWhileAMessageIsHandledIsSeenBeforeTheNext) {
  const ServiceHandle service = spawn(
      [&](ServiceHandle self, Message&& message) {
        for (int turn = 0; message.session == 1 && turn < 1'100; ++turn) post(self);
      },
      "slow");
  post(service, numbered(1));
  // Enough for one turn that leaves fewer than 1,024 behind.
  for (int turn = 0; turn < 900; ++turn) post(service);
  run_to_rest();
  ASSERT_EQ(overloads_.size(), 1U);
  EXPECT_EQ(overloads_[0].name, "slow");
  // Of 901 and 1,100, those beside the mailbox were handled before.
  EXPECT_EQ(overloads_[0].length, 2'001 - Mailbox::kBesideMessagesMax);
}

TEST_F(ServiceHostTest, ARequestThatIsDroppedIsAnsweredWithAnErrorAndNothingElseIs) {
  const ServiceHandle client = spawn_recorder();
  const ServiceHandle dead = spawn_recorder();
  post(dead, {.type = MessageType::text, .session = 11, .source = client});
  post(dead, {.type = MessageType::text, .session = 0, .source = client});
  post(dead, {.type = MessageType::response, .session = 12, .source = client});
  post(dead, {.type = MessageType::error, .session = 13, .source = client});
  post(dead, {.type = MessageType::text, .session = 14, .source = 0});
  post(dead, {.type = MessageType::system, .session = 15, .source = client});
  answers_ = 2;
  EXPECT_TRUE(host_.retire(dead));
  run_to_rest();
  ASSERT_EQ(seen_.size(), 2U);
  for (const Message& message : seen_) {
    EXPECT_EQ(message.type, MessageType::error);
    EXPECT_EQ(message.source, dead);
  }
  EXPECT_EQ(seen_[0].session, 11);
  EXPECT_EQ(seen_[1].session, 15);
  EXPECT_EQ(host_.dropped(), 6U);
}

TEST_F(ServiceHostTest, G04_TwoDeadServicesThatWaitForEachOtherEnd) {
  const ServiceHandle one = spawn_recorder();
  const ServiceHandle two = spawn_recorder();
  post(one, {.session = 1, .source = two});
  post(two, {.session = 1, .source = one});
  post(one, {.session = 2, .source = one});
  answers_ = 3;
  host_.retire(one);
  host_.retire(two);
  run_to_rest();
  EXPECT_EQ(ended_.size(), 2U);
  EXPECT_TRUE(seen_.empty());
}

/// A payload that counts in `freed` how often it is freed.
Block counted(int& freed) {
  static std::byte byte{};
  return Block::adopt(std::span(&byte, 1), &freed,
                      [](void* count) { ++*static_cast<int*>(count); });
}

/// Whatever waits for a service that ends, in its mailbox or beside it, goes with it.
TEST_F(ServiceHostTest, LV09_EveryPayloadThatADeadServiceLeavesIsFreedOnce) {
  constexpr int kEach = 3;
  constexpr std::array kKinds = {EventKind::open, EventKind::accept, EventKind::data,
                                 EventKind::error, EventKind::udp};
  for (const bool in_mailbox : {true, false}) {
    SCOPED_TRACE(in_mailbox ? "in the mailbox" : "beside it");
    int freed = 0;
    int handled = 0;
    const ServiceHandle dead = spawn([&](ServiceHandle, Message&&) { ++handled; });
    const auto fill = [&] {
      for (int turn = 0; turn < kEach; ++turn) {
        EXPECT_TRUE(post(dead, {.payload = counted(freed)}));
        for (const EventKind kind : kKinds) {
          ++posted_;
          EXPECT_TRUE(host_.deliver({.kind = kind, .id = 4, .to = dead, .data = counted(freed)}));
        }
      }
    };
    if (in_mailbox) {
      std::thread(fill).join();
    } else {
      run_to_rest();
      fill();
    }
    EXPECT_EQ(freed, 0);
    EXPECT_TRUE(host_.retire(dead));
    // From now on nothing is kept for it.
    ++posted_;
    EXPECT_FALSE(host_.deliver({.kind = EventKind::data, .to = dead, .data = counted(freed)}));
    EXPECT_EQ(freed, 1);
    run_to_rest();
    EXPECT_EQ(handled, 0);
    EXPECT_EQ(freed, kEach * static_cast<int>(kKinds.size() + 1) + 1);
  }
}

TEST_F(ServiceHostTest, AHandlerMayPostToAnybodyWhileItIsDestroyed) {
  const ServiceHandle heir = spawn_recorder();
  const ServiceHandle service = host_.spawn("last words", [&](ServiceHandle self) {
    const auto last_words = [this, heir, self](int*) {
      EXPECT_TRUE(post(heir));
      EXPECT_FALSE(post(self));
    };
    int anything = 0;
    std::shared_ptr<int> held(&anything, last_words);
    return MessageHandler([held = std::move(held)](Message&&) {});
  });
  post(service, {.payload = Block(10)});
  host_.retire(service);
  run_to_rest();
  EXPECT_EQ(seen_.size(), 1U);
  EXPECT_EQ(ended_, std::vector{service});
}

TEST_F(ServiceHostTest, AServiceRetiredWhileItIsMadeIsEndedAndGetsNothing) {
  const ServiceHandle service = host_.spawn("stillborn", [&](ServiceHandle self) {
    EXPECT_TRUE(post(self));
    EXPECT_TRUE(host_.retire(self));
    EXPECT_FALSE(post(self));
    return MessageHandler([](Message&&) { FAIL(); });
  });
  EXPECT_EQ(ended_, std::vector{service});
}

TEST_F(ServiceHostTest, APayloadThatTheHandlerLeavesIsFreedBeforeTheNextMessage) {
  const Message* previous = nullptr;
  int handled = 0;
  const ServiceHandle service = spawn([&](ServiceHandle, Message&& message) {
    // Messages of a batch stay where they are until it is through.
    if (previous != nullptr) {
      EXPECT_TRUE(std::holds_alternative<std::monostate>(previous->payload));
    }
    EXPECT_EQ(std::get<Block>(message.payload).size(), 100U);
    previous = &message;
    ++handled;
  });
  for (int turn = 0; turn < 10; ++turn) post(service, {.payload = Block(100)});
  host_.run();
  EXPECT_EQ(handled, 10);
}

TEST_F(ServiceHostTest, RetiringTwiceOrNobodyIsIgnored) {
  const ServiceHandle service = spawn_recorder();
  EXPECT_TRUE(host_.retire(service));
  EXPECT_FALSE(host_.retire(service));
  EXPECT_FALSE(host_.retire(0));
  EXPECT_FALSE(host_.retire(99));
  run_to_rest();
  EXPECT_EQ(ended_, std::vector{service});
}

}  // namespace
}  // namespace skysock
