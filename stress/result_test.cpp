// Which verdict follows from what a run found, and do its lines and its file say all that is
// needed?

#include "stress/result.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "stress/limits.hpp"
#include "stress/progress.hpp"

namespace skysock::stress {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

Options some_options() {
  Options options;
  options.program = "skysock-stress";
  options.clients = 3;
  options.connections = 5;
  options.seed = 42;
  options.target = "127.0.0.1:8888";
  return options;
}

Result good_result() {
  Result result;
  result.totals.connections_started = 10;
  result.totals.connections_completed = 10;
  result.totals.half_closes_completed = 5;
  result.totals.bytes_sent = 4000000;
  result.totals.bytes_verified = 4000000;
  result.elapsed_s = 2;
  result.address = "127.0.0.1:8888";
  return result;
}

Result failed_result(FailureKind kind) {
  Result result = good_result();
  Finding finding;
  finding.kind = kind;
  finding.connection = connection_number(2, 17);
  finding.offset = 70000;
  finding.detail = "planted";
  ++result.totals.failures[static_cast<std::size_t>(kind)];
  result.add_failure(finding);
  return result;
}

TEST(Judge, AVerifiedRunWithoutFailurePasses) {
  EXPECT_EQ(judge(good_result()).code, ExitCode::pass);
}

TEST(Judge, EveryKindOfFailureFails) {
  for (std::size_t i = 0; i < kFailureKinds; ++i) {
    EXPECT_EQ(judge(failed_result(static_cast<FailureKind>(i))).code, ExitCode::fail) << i;
  }
}

TEST(Judge, ARunThatVerifiedNothingNeverPasses) {
  Result result = good_result();
  result.totals.bytes_verified = 0;
  EXPECT_EQ(judge(result).code, ExitCode::could_not_run);
  result = good_result();
  result.totals.connections_completed = 0;
  EXPECT_EQ(judge(result).code, ExitCode::could_not_run);
  EXPECT_EQ(judge(Result{}).code, ExitCode::could_not_run);
}

TEST(Judge, AClientThatVerifiedNothingSpoilsTheRun) {
  Result result = good_result();
  result.idle_clients = {2};
  EXPECT_EQ(judge(result).code, ExitCode::could_not_run);
  EXPECT_THAT(judge(result).reason, HasSubstr("client 2"));
}

TEST(Judge, OnlyRefusedConnectsMeanThatNobodyListened) {
  Result result = failed_result(FailureKind::refused);
  result.totals.bytes_sent = result.totals.bytes_verified = 0;
  EXPECT_EQ(judge(result).code, ExitCode::could_not_run);
  EXPECT_THAT(judge(result).reason, HasSubstr("127.0.0.1:8888"));
  ++result.totals.failures[static_cast<std::size_t>(FailureKind::server)];
  EXPECT_EQ(judge(result).code, ExitCode::fail);
}

TEST(Judge, AFailureOutranksAnInterruption) {
  Result result = good_result();
  result.interrupted = true;
  EXPECT_EQ(judge(result).code, ExitCode::interrupted);
  result = failed_result(FailureKind::loss);
  result.interrupted = true;
  EXPECT_EQ(judge(result).code, ExitCode::fail);
}

TEST(FailureLine, NamesSeedConnectionOffsetBytesAndTheCommand) {
  Finding finding{FailureKind::mismatch, connection_number(2, 17), 70000, 0x3a, 0x0b, "why"};
  const std::string line = failure_line(finding, some_options());
  EXPECT_THAT(line, HasSubstr("FAIL mismatch: seed 42, connection 8589934609 (client 2, its number "
                              "17), offset 70000, expected 0x3a, got 0x0b: why; repeat: "));
  EXPECT_THAT(line, EndsWith(repeat_command(some_options())));
}

TEST(Summary, EndsWithTheVerdictAndListsFailures) {
  EXPECT_THAT(summary(good_result(), some_options()),
              HasSubstr("\nPASS: every byte verified (seed 42, exit code 0)\n"));
  const std::string failed = summary(failed_result(FailureKind::hang), some_options());
  EXPECT_THAT(failed, HasSubstr("FAIL hang: seed 42"));
  EXPECT_THAT(failed, HasSubstr("\nFAIL: 1 hang (seed 42, exit code 1)\n"));
}

TEST(Summary, ShowsTheServersStandardErrorOnlyWithoutAPass) {
  Result result = good_result();
  result.server_error_text = "ERROR: AddressSanitizer";
  EXPECT_THAT(summary(result, some_options()), testing::Not(HasSubstr("AddressSanitizer")));
  result.interrupted = true;
  EXPECT_THAT(summary(result, some_options()), HasSubstr("ERROR: AddressSanitizer\n"));
}

TEST(Result, KeepsABoundedListWithTheServersFailureFirst) {
  Result result;
  for (std::uint64_t i = 0; i < 2 * kFailuresKept; ++i) {
    result.add_failure({FailureKind::loss, i, 0, {}, {}, ""});
  }
  result.add_failure({FailureKind::server, 0, 0, {}, {}, "died"});
  EXPECT_EQ(result.failures.size(), kFailuresKept);
  EXPECT_EQ(result.failures.front().kind, FailureKind::server);
}

TEST(ResultJson, CarriesCountsRatesFailuresAndTheRepeatCommand) {
  const auto value =
      nlohmann::json::parse(result_json(failed_result(FailureKind::loss), some_options()));
  EXPECT_EQ(value["verdict"], "fail");
  EXPECT_EQ(value["exit_code"], 1);
  EXPECT_EQ(value["seed"], 42);
  EXPECT_EQ(value["connections_completed"], 10);
  EXPECT_EQ(value["bytes_sent"], 4000000);
  EXPECT_EQ(value["bytes_verified"], 4000000);
  EXPECT_EQ(value["verified_bytes_per_s"], 2000000);
  EXPECT_EQ(value["connections_per_s"], 5);
  EXPECT_EQ(value["losses"], 1);
  EXPECT_EQ(value["mismatches"], 0);
  EXPECT_EQ(value["hangs"], 0);
  ASSERT_EQ(value["failures"].size(), 1U);
  EXPECT_EQ(value["failures"][0]["client"], 2);
  EXPECT_EQ(value["failures"][0]["offset"], 70000);
  EXPECT_EQ(value["failures_left_out"], 0);
  EXPECT_EQ(value["repeat"], repeat_command(some_options()));
}

TEST(ProgressText, NamesDoneTotalRateAndTimeLeft) {
  Totals totals;
  totals.connections_completed = 7;
  totals.bytes_verified = 30000000;
  EXPECT_EQ(progress_text(15, 60, 4, totals),
            "15/60 s, 4 open, 7 done, 30.0 MB verified, 2.0 MB/s, 45 s left, 0 failures");
  EXPECT_THAT(progress_text(61, 60, 1, totals), HasSubstr("60/60 s"));
  EXPECT_THAT(progress_text(61, 60, 1, totals), HasSubstr("ending connections"));
}

TEST(Limits, AServerOfOursNeedsAllConnectionsAndATargetOnlyAClientsOwn) {
  Options options;
  options.clients = 4;
  options.connections = 5000;
  EXPECT_THAT(why_it_does_not_fit(options, 20000, 28232), HasSubstr("needs 20064"));
  EXPECT_EQ(why_it_does_not_fit(options, 20064, 28232), "");
  options.target = "a:1";
  EXPECT_EQ(why_it_does_not_fit(options, 20000, 28232), "");
  EXPECT_THAT(why_it_does_not_fit(options, 5000, 28232), HasSubstr("needs 5064"));
}

TEST(Limits, ConnectionsNeedLocalPorts) {
  Options options;
  options.clients = 6;
  options.connections = 5000;
  options.target = "a:1";
  EXPECT_THAT(why_it_does_not_fit(options, 20000, 28232), HasSubstr("30000 local ports"));
}

}  // namespace
}  // namespace skysock::stress
