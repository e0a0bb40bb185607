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
  EXPECT_EQ(time->stolen, 8U);
  EXPECT_FALSE(parse_cpu_time("cpu0 1 2 3 4 5 6 7 8"));
  EXPECT_FALSE(parse_cpu_time("cpu 1 2 3"));
  EXPECT_FALSE(parse_cpu_time(""));
}

TEST(Machine, TheStolenShareIsThatOfTheTimeBetween) {
  EXPECT_DOUBLE_EQ(stolen_share({.all = 1'000, .stolen = 100}, {.all = 1'200, .stolen = 105}),
                   0.025);
  EXPECT_EQ(stolen_share({.all = 1'000, .stolen = 100}, {.all = 1'000, .stolen = 100}), 0);
}

TEST(QuietWatch, SaysWhatDisturbed) {
  EXPECT_TRUE(busy_because(1.0, 2, 0.02).empty());
  EXPECT_TRUE(busy_because(std::nullopt, 2, std::nullopt).empty());
  EXPECT_THAT(busy_because(1.1, 2, 0.021),
              ElementsAre(HasSubstr("load average at the start: 1.10 on 2 CPUs"),
                          HasSubstr("the hypervisor took 2.1 %")));
}

TEST(QuietWatch, LooksAtThisMachine) {
  const QuietWatch watch;
  ASSERT_TRUE(watch.stolen());
  EXPECT_GE(*watch.stolen(), 0);
  EXPECT_LE(*watch.stolen(), 1);
  EXPECT_TRUE(watch.load_average_at_start());
}

}  // namespace
}  // namespace skysock::load
