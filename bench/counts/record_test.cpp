// Does a record survive its file, and is every other file refused with what was expected?

#include "bench/counts/record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/counts/counting.hpp"

namespace skysock::bench::counts {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  const auto record = parse_record(text, "base.json");
  return record ? "" : record.error();
}

TEST(CountsRecord, SurvivesItsFile) {
  const Record written{.reason = "a reason",
                       .fingerprint = {{"compiler", "clang"}},
                       .scenarios = {{"echo", {{kInstructions, 830.02}, {kAllocations, 0}}}}};
  nlohmann::ordered_json file;
  add_record(written, file);
  const auto read = parse_record(file.dump(), "base.json");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->reason, written.reason);
  EXPECT_EQ(read->fingerprint, written.fingerprint);
  EXPECT_EQ(read->scenarios, written.scenarios);
}

TEST(CountsRecord, AFileThatIsNoRecordIsRefusedWithWhatWasExpected) {
  EXPECT_EQ(error_of("no json"), "'base.json': expected JSON as --update writes it");
  EXPECT_EQ(error_of("[]"), "'base.json': expected 'reason'");
  EXPECT_EQ(error_of(R"({"reason": "", "fingerprint": {}})"), "'base.json': expected 'scenarios'");
  EXPECT_EQ(error_of(R"({"reason": 1, "fingerprint": {}, "scenarios": {}})"),
            "'base.json': expected a text as 'reason'");
  EXPECT_EQ(error_of(R"({"reason": "", "fingerprint": {}, "scenarios": {}})"),
            "'base.json': expected at least one scenario");
  EXPECT_EQ(error_of(R"({"reason": "", "fingerprint": {}, "scenarios": {"echo": {"a": "b"}}})"),
            "'base.json': echo: expected a number as 'a'");
  EXPECT_EQ(error_of(R"({"reason": "", "fingerprint": {"x": 1}, "scenarios": {}})"),
            "'base.json': expected a text as fingerprint 'x'");
}

TEST(CountsRecord, AFileThatIsNotThereIsNamed) {
  const auto record = read_record("/nonexistent/base.json");
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error(), "'/nonexistent/base.json': cannot read: No such file or directory");
}

TEST(CountsLines, ALineBecomesMetricsPerOperation) {
  Counted counted;
  ASSERT_TRUE(take_line(R"({"libraries": {"libc.so.6": "12"}})", counted));
  ASSERT_TRUE(take_line(R"({"scenario": "echo", "pid": 7, "operations": 100,
      "server": {"calls": {"sendto": 150}, "allocations": 50, "allocated_bytes": 800}})",
                        counted));
  EXPECT_EQ(counted.record.fingerprint["library libc.so.6"], "12");
  const Metrics& metrics = counted.record.scenarios["echo"];
  EXPECT_EQ(metrics.at("syscalls_per_operation.sendto"), 1.5);
  EXPECT_EQ(metrics.at(kAllocations), 0.5);
  EXPECT_EQ(metrics.at(kBytes), 8);
}

TEST(CountsLines, AScenarioThatFailedOrCannotRunIsNoMetric) {
  Counted counted;
  const auto failed = take_line(R"({"scenario": "echo", "error": "no answer"})", counted);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), "echo: no answer");
  EXPECT_TRUE(take_line(R"({"scenario": "uring", "left_out": "no io_uring"})", counted));
  EXPECT_TRUE(counted.left_out.contains("uring"));
  EXPECT_TRUE(counted.record.scenarios.empty());
  const auto noise = take_line("hello", counted);
  ASSERT_FALSE(noise);
  EXPECT_THAT(noise.error(), HasSubstr("expected JSON, got 'hello'"));
}

}  // namespace
}  // namespace skysock::bench::counts
