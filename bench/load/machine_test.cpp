// Is what a record says about the machine read from where the kernel tells it, and is a busy
// machine called one?

#include "bench/load/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skysock::load {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Machine, EverythingIsToldOrSaidToBeUnknown) {
  const Machine machine = read_machine();
  for (const std::string& text :
       {machine.cpu, machine.kernel, machine.glibc, machine.governor, machine.hypervisor}) {
    EXPECT_FALSE(text.empty());
  }
  EXPECT_GT(machine.cpus, 0U);
  EXPECT_THAT(cpu_frequency(), testing::AnyOf(HasSubstr("Hz"), "not told"));
  EXPECT_GE(load_average().value_or(-1), 0);
}

TEST(Machine, StolenTimeIsTheEighthFieldAndGuestTimeIsNotCountedTwice) {
  const auto time = parse_cpu_time("cpu  10 20 30 40 5 6 7 8 900 1000");
  ASSERT_TRUE(time);
  EXPECT_EQ(time->all, 126U);
  EXPECT_EQ(time->processes, 60U);
  EXPECT_EQ(time->stolen, 8U);
  EXPECT_FALSE(parse_cpu_time("cpu0 1 2 3 4 5 6 7 8"));
  EXPECT_FALSE(parse_cpu_time("cpu 1 2 3"));
  EXPECT_FALSE(parse_cpu_time(""));
}

TEST(Machine, WhatOthersHadIsWithoutWhatIsOurs) {
  const CpuTime before{.all = 1'000, .processes = 500, .stolen = 100};
  const Disturbance some = disturbance(before, {.all = 1'200, .processes = 600, .stolen = 105}, 90);
  EXPECT_DOUBLE_EQ(some.others, 0.05);
  EXPECT_DOUBLE_EQ(some.stolen, 0.025);
  EXPECT_EQ(disturbance(before, {.all = 1'200, .processes = 600, .stolen = 100}, 101).others, 0)
      << "ticks are coarse";
  EXPECT_EQ(disturbance(before, before, 0).others, 0);
}

TEST(QuietWatch, SaysWhatDisturbed) {
  EXPECT_TRUE(busy_because({.others = 0.05, .stolen = 0.02}).empty());
  EXPECT_THAT(busy_because({.others = 0.051, .stolen = 0.021}),
              ElementsAre(HasSubstr("other programs had 5.1 %"), HasSubstr("guests had 2.1 %")));
}

TEST(QuietWatch, LooksAtThisMachine) {
  const QuietWatch watch;
  ASSERT_TRUE(watch.disturbed());
  EXPECT_GE(watch.disturbed()->others, 0);
  EXPECT_LE(watch.disturbed()->others + watch.disturbed()->stolen, 1);
  EXPECT_TRUE(watch.load_average_at_start());
}

}  // namespace
}  // namespace skysock::load
