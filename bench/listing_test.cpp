#include "bench/listing.hpp"

#include <gmock/gmock.h>

namespace skysock::bench {
namespace {

using ::testing::HasSubstr;

const std::vector<Described> kFamilies = {{"macro", "BM_Echo", "how fast?"},
                                          {"micro", "BM_Packet", "how small?"},
                                          {"macro", "BM_EchoOnce", "how late?"},
                                          {"micro", "BM_Packet/pipe", "how slow?"},
                                          {"micro", "BM_Absent", "who knows?"}};

TEST(Listing, GroupsNamesUnderTheLongestFamilyThatDescribesThem) {
  const auto groups = group_names({"BM_Packet/ring/1", "BM_Echo/64", "BM_EchoOnce", "BM_Packet",
                                   "BM_Packet/pipe/1", "BM_Packet/pipes", "BM_Echo/128"},
                                  kFamilies);
  ASSERT_TRUE(groups.has_value()) << groups.error();
  EXPECT_EQ(text_of(*groups),
            "macro\n"
            "  BM_Echo         (2 benchmarks)  how fast?\n"
            "  BM_EchoOnce     (1 benchmark)   how late?\n"
            "\n"
            "micro\n"
            "  BM_Packet       (3 benchmarks)  how small?\n"
            "  BM_Packet/pipe  (1 benchmark)   how slow?\n");
}

TEST(Listing, ABenchmarkThatNoFamilyDescribesIsNamed) {
  for (const char* name : {"BM_Moon", "BM_EchoTwice", "BM_Ech", "BM_EchoTwice/64"}) {
    const auto groups = group_names({"BM_Echo/64", name}, kFamilies);
    ASSERT_FALSE(groups.has_value()) << name;
    EXPECT_THAT(groups.error(), HasSubstr("benchmark '" + std::string(name) + "'"));
  }
}

TEST(Listing, WhatIsNoBenchmarkHasNoCount) {
  EXPECT_EQ(text_of({{"commands", {{"--list", std::nullopt, "which?"}}}}),
            "commands\n  --list    which?\n");
}

}  // namespace
}  // namespace skysock::bench
