// Is what libFuzzer prints understood? The lines are copied from runs of libFuzzer 19.

#include "fuzz/fuzz_output.hpp"

#include <gtest/gtest.h>

namespace skysock::fuzz {
namespace {

TEST(FuzzOutput, StatusLineGivesExecutionsEdgesAndCorpus) {
  FuzzOutput output;
  output.take_line(
      "#951895\tREDUCE cov: 174 ft: 461 corp: 51/2016b lim: 4096 exec/s: 190379 rss: 249Mb");
  EXPECT_EQ(output.executions, 951895U);
  EXPECT_EQ(output.edges, 174U);
  EXPECT_EQ(output.corpus_units, 51U);
}

TEST(FuzzOutput, FinalStatisticsCorrectTheLastStatusLine) {
  FuzzOutput output;
  output.take_line("#8\tpulse  cov: 174 ft: 461 corp: 51/2016b exec/s: 4 rss: 249Mb");
  output.take_line("stat::number_of_executed_units: 987760");
  output.take_line("stat::new_units_added:          146");
  EXPECT_EQ(output.executions, 987760U);
  EXPECT_EQ(output.new_units, 146U);
  EXPECT_EQ(output.edges, 174U);
}

TEST(FuzzOutput, ArtifactIsTheInputThatCrashed) {
  FuzzOutput output;
  output.take_line("artifact_prefix='/tmp/a/'; Test unit written to /tmp/a/crash-fd5091cb");
  EXPECT_EQ(output.artifact, "/tmp/a/crash-fd5091cb");
}

TEST(FuzzOutput, StackFramesAndNoiseSayNothing) {
  FuzzOutput output;
  output.take_line("    #7 0x557344 in skysock::check_failed(char const*, char const*, int)");
  output.take_line("#12 0x557344 in main");
  output.take_line("INFO: Seed: 123");
  output.take_line("stat::number_of_executed_units: many");
  output.take_line("");
  EXPECT_EQ(output.executions, 0U);
  EXPECT_TRUE(output.artifact.empty());
}

}  // namespace
}  // namespace skysock::fuzz
