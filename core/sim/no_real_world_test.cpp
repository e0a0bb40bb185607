// Does a look at the real clock, a sleep or real randomness end a simulated world, and nothing
// else?

#include "core/sim/no_real_world.hpp"

#include <gtest/gtest.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <thread>

namespace skysock {
namespace {

void look_at_the_steady_clock() { std::chrono::steady_clock::now(); }
void look_at_the_wall_clock() { std::chrono::system_clock::now(); }
void look_at_the_time_of_day() {
  timeval now{};
  gettimeofday(&now, nullptr);
}
void look_at_the_time() { time(nullptr); }
void sleep_a_little() { std::this_thread::sleep_for(std::chrono::microseconds(1)); }
void ask_for_randomness() {
  std::array<char, 8> bytes{};
  ASSERT_EQ(getentropy(bytes.data(), bytes.size()), 0);
}

constexpr std::array kReal = {look_at_the_steady_clock, look_at_the_wall_clock,
                              look_at_the_time_of_day,  look_at_the_time,
                              sleep_a_little,           ask_for_randomness};

TEST(NoRealWorldDeathTest, WhatIsRealEndsASimulatedWorld) {
  for (const auto real : kReal) {
    EXPECT_DEATH(
        {
          const NoRealWorld none;
          real();
        },
        "check failed: kNothingRealInASimulatedWorld");
  }
}

TEST(NoRealWorld, OutsideOfItAllIsAsItWas) {
  const auto before = std::chrono::steady_clock::now();
  const time_t began = time(nullptr);
  {
    const NoRealWorld none;
  }
  for (const auto real : kReal) real();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(2));
  EXPECT_GE(time(nullptr), began);
  const auto wall = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  EXPECT_LE(std::abs(wall - time(nullptr)), 1);
}

TEST(NoRealWorld, AnotherThreadMayLook) {
  const NoRealWorld none;
  std::thread([] { look_at_the_steady_clock(); }).join();
}

}  // namespace
}  // namespace skysock
