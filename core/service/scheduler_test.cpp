// How many messages does a turn handle, and do services wait in line? What needs threads is in
// runtime_test.cpp.

#include "core/service/scheduler.hpp"

#include <gtest/gtest.h>

#include <array>

namespace skysock {
namespace {

TEST(TurnMessages, TheWeightIsAShiftOfTheLengthAndMinusOneMeansOne) {
  EXPECT_EQ(turn_messages(100, -1), 1U);
  EXPECT_EQ(turn_messages(100, 0), 100U);
  EXPECT_EQ(turn_messages(100, 1), 50U);
  EXPECT_EQ(turn_messages(100, 2), 25U);
  EXPECT_EQ(turn_messages(100, 3), 12U);
}

TEST(TurnMessages, ATurnHandlesOneAtLeastAndAnEndlessMailboxNeverMakesItEndless) {
  for (const int weight : {-1, 0, 1, 2, 3}) {
    EXPECT_EQ(turn_messages(0, weight), 1U);
    EXPECT_EQ(turn_messages(1, weight), 1U);
    EXPECT_LE(turn_messages(1'000'000, weight), kTurnMessagesMax);
  }
}

TEST(WorkWeight, WorkersHaveTheWeightsOfSkynet) {
  for (const std::size_t worker : {0U, 3U}) EXPECT_EQ(work_weight(worker), -1);
  for (const std::size_t worker : {4U, 7U}) EXPECT_EQ(work_weight(worker), 0);
  for (const std::size_t worker : {8U, 15U}) EXPECT_EQ(work_weight(worker), 1);
  for (const std::size_t worker : {16U, 23U}) EXPECT_EQ(work_weight(worker), 2);
  for (const std::size_t worker : {24U, 31U}) EXPECT_EQ(work_weight(worker), 3);
  for (const std::size_t worker : {32U, 63U}) EXPECT_EQ(work_weight(worker), 0);
}

TEST(RunQueue, ServicesLeaveInTheOrderTheyCame) {
  std::array<Service, 3> services;
  RunQueue queue;
  EXPECT_TRUE(queue.empty());
  for (Service& service : services) queue.push(service);
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(&queue.pop(), &services[0]);
  queue.push(services[0]);
  EXPECT_EQ(&queue.pop(), &services[1]);
  EXPECT_EQ(&queue.pop(), &services[2]);
  EXPECT_EQ(&queue.pop(), &services[0]);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0U);
}

TEST(RunQueue, AppendTakesEverythingAndKeepsTheOrder) {
  std::array<Service, 4> services;
  RunQueue front;
  RunQueue back;
  front.append(back);
  EXPECT_TRUE(front.empty());
  back.push(services[0]);
  front.append(back);
  EXPECT_TRUE(back.empty());
  back.push(services[1]);
  back.push(services[2]);
  front.append(back);
  front.push(services[3]);
  EXPECT_EQ(front.size(), 4U);
  for (Service& service : services) EXPECT_EQ(&front.pop(), &service);
  EXPECT_TRUE(front.empty());
}

}  // namespace
}  // namespace skysock
