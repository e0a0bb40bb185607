// Does a mailbox give back every message once and in order, and is a service scheduled exactly when
// somebody must look at it? One thread; several are in runtime_test.cpp.

#include "core/service/mailbox.hpp"

#include <gtest/gtest.h>

namespace skysock {
namespace {

using Pushed = Mailbox::Pushed;
using Finished = Mailbox::Finished;

constexpr ServiceHandle kSelf = 5;

Message numbered(Session session) { return {.session = session}; }

/// An open mailbox that nobody has.
class MailboxTest : public testing::Test {
 protected:
  MailboxTest() {
    mailbox_.open(kSelf);
    EXPECT_EQ(mailbox_.finish(), Finished::idle);
  }

  Pushed push(Session session) { return mailbox_.push(kSelf, numbered(session)); }
  void push_many(int count) {
    for (int turn = 0; turn < count; ++turn) push(turn);
  }
  Session pop() {
    const Message* message = mailbox_.next();
    return message == nullptr ? -1 : message->session;
  }

  Mailbox mailbox_;
};

TEST_F(MailboxTest, MessagesComeOutInTheOrderTheyWentInWhileOthersArrive) {
  push(1);
  push(2);
  EXPECT_EQ(pop(), 1);
  push(3);
  EXPECT_EQ(pop(), 2);
  EXPECT_EQ(pop(), 3);
  EXPECT_EQ(pop(), -1);
}

TEST_F(MailboxTest, G04_AServiceIsScheduledOnceHoweverManyMessagesCome) {
  EXPECT_EQ(push(1), Pushed::schedule);
  EXPECT_EQ(push(2), Pushed::queued);
  EXPECT_EQ(pop(), 1);
  EXPECT_EQ(push(3), Pushed::queued) << "somebody has the service";
  EXPECT_EQ(mailbox_.finish(), Finished::more);
  EXPECT_EQ(push(4), Pushed::queued) << "it is in the run queue again";
  while (pop() != -1) {
  }
  EXPECT_EQ(mailbox_.finish(), Finished::idle);
  EXPECT_EQ(push(5), Pushed::schedule);
}

TEST_F(MailboxTest, AMessageThatCameAfterTheLastLookIsNotForgotten) {
  push(1);
  pop();
  EXPECT_EQ(pop(), -1);
  push(2);
  EXPECT_EQ(mailbox_.finish(), Finished::more);
}

TEST_F(MailboxTest, LengthCountsWhatWaitsWithoutTheOneAtHand) {
  EXPECT_EQ(mailbox_.length(), 0U);
  push_many(3);
  EXPECT_EQ(mailbox_.length(), 3U);
  pop();
  EXPECT_EQ(mailbox_.length(), 2U);
  push(4);
  EXPECT_EQ(mailbox_.length(), 3U);
}

TEST_F(MailboxTest, OverloadIsReportedBeyond1024AndThenAtTwiceTheLength) {
  push_many(1'024);
  EXPECT_EQ(mailbox_.overload(), 0U);
  push(0);
  EXPECT_EQ(mailbox_.overload(), 1'025U);
  EXPECT_EQ(mailbox_.overload(), 0U) << "said already";
  push_many(1'023);
  EXPECT_EQ(mailbox_.overload(), 0U);
  push(0);
  EXPECT_EQ(mailbox_.overload(), 2'049U);
}

TEST_F(MailboxTest, AJumpBeyondSeveralThresholdsIsOneReport) {
  push_many(5'000);
  EXPECT_EQ(mailbox_.overload(), 5'000U);
  push_many(3'192);
  EXPECT_EQ(mailbox_.overload(), 0U) << "8192 is the next";
  push(0);
  EXPECT_EQ(mailbox_.overload(), 8'193U);
}

TEST_F(MailboxTest, OverloadIsReportedAgainOnceTheMailboxWasEmpty) {
  push_many(1'025);
  EXPECT_EQ(mailbox_.overload(), 1'025U);
  while (pop() != -1) {
  }
  EXPECT_EQ(mailbox_.finish(), Finished::idle);
  push_many(1'025);
  EXPECT_EQ(mailbox_.overload(), 1'025U);
}

TEST_F(MailboxTest, AClosedMailboxRefusesAndLeavesTheMessageToTheSender) {
  mailbox_.close(kSelf);
  Message message{.session = 9, .payload = Block::copy_of(std::string_view("mine"))};
  EXPECT_EQ(mailbox_.push(kSelf, std::move(message)), Pushed::refused);
  EXPECT_EQ(std::get<Block>(message.payload).text(), "mine");
}

TEST_F(MailboxTest, AnotherHandleIsRefusedEvenInTheSamePlace) {
  EXPECT_EQ(mailbox_.push(kSelf + 1, numbered(1)), Pushed::refused);
  EXPECT_EQ(mailbox_.push(0, numbered(1)), Pushed::refused);
  EXPECT_FALSE(mailbox_.close(kSelf + 1));
  EXPECT_EQ(push(1), Pushed::schedule);
}

TEST_F(MailboxTest, ClosingAnIdleMailboxSchedulesItSoThatItIsEnded) {
  EXPECT_TRUE(mailbox_.close(kSelf));
  EXPECT_FALSE(mailbox_.close(kSelf)) << "once";
  EXPECT_EQ(mailbox_.finish(), Finished::ended);
}

TEST_F(MailboxTest, ClosingAScheduledMailboxLeavesTheEndToWhoHasIt) {
  push(1);
  EXPECT_FALSE(mailbox_.close(kSelf));
  EXPECT_EQ(mailbox_.finish(), Finished::ended);
}

TEST_F(MailboxTest, G05_TheEndReturnsEveryUnhandledMessageOldestFirst) {
  push_many(3);
  EXPECT_EQ(pop(), 0);
  push_many(2);
  mailbox_.close(kSelf);
  ASSERT_EQ(mailbox_.finish(), Finished::ended);
  std::vector<Session> rest;
  for (const Message& message : mailbox_.end_life()) rest.push_back(message.session);
  EXPECT_EQ(rest, (std::vector<Session>{1, 2, 0, 1}));
  EXPECT_EQ(mailbox_.length(), 0U);
}

TEST_F(MailboxTest, TheNextServiceInItsPlaceStartsEmpty) {
  push_many(2'000);
  EXPECT_GT(mailbox_.overload(), 0U);
  mailbox_.close(kSelf);
  ASSERT_EQ(mailbox_.finish(), Finished::ended);
  mailbox_.end_life();
  EXPECT_EQ(push(1), Pushed::refused);
  mailbox_.open(kSelf + 1);
  EXPECT_FALSE(mailbox_.closed());
  EXPECT_EQ(push(1), Pushed::refused) << "the handle before";
  EXPECT_EQ(mailbox_.push(kSelf + 1, numbered(7)), Pushed::queued) << "its maker has it";
  EXPECT_EQ(pop(), 7);
  EXPECT_EQ(mailbox_.overload(), 0U);
}

}  // namespace
}  // namespace skysock
