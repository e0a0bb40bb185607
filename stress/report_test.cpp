// Does everything a client reports reach the parent unchanged, and is a torn or foreign line
// refused?

#include "stress/report.hpp"

#include <gtest/gtest.h>

namespace skysock::stress {
namespace {

Counters some_counters() {
  Counters counters;
  counters.totals.connections_started = 12;
  counters.totals.connections_completed = 10;
  counters.totals.half_closes_completed = 5;
  counters.totals.bytes_sent = (1ULL << 53U) + 1;  // A double would lose the last bit.
  counters.totals.bytes_verified = 1ULL << 53U;
  counters.totals.failures = {1, 2, 3, 4, 5, 6, 7};
  counters.open = 2;
  counters.port_waits = 9;
  return counters;
}

TEST(Report, CountersSurviveTheRoundTrip) {
  Counters counters = some_counters();
  for (const bool final_report : {false, true}) {
    counters.final_report = final_report;
    const auto back = decode(encode(counters));
    ASSERT_TRUE(back.has_value()) << back.error();
    EXPECT_EQ(*back, Report(counters));
  }
}

TEST(Report, FindingsSurviveTheRoundTrip) {
  const Finding with_bytes{FailureKind::mismatch, connection_number(7, 3), 5, 0, 255,
                           "quote \" in it"};
  const Finding without{FailureKind::hang, 1, 2, {}, {}, "line\nbreak"};
  for (const Finding& finding : {with_bytes, without}) {
    const auto back = decode(encode(finding));
    ASSERT_TRUE(back.has_value()) << back.error();
    EXPECT_EQ(*back, Report(finding));
  }
}

TEST(Report, IsOneLine) {
  const std::string line = encode(Finding{FailureKind::loss, 1, 2, {}, {}, "a\nb"});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Report, ALineCutAnywhereIsRefused) {
  const std::string line = encode(some_counters());
  for (std::size_t cut = 0; cut + 1 < line.size(); ++cut) {
    ASSERT_FALSE(decode(line.substr(0, cut)).has_value()) << cut;
  }
}

TEST(Report, ForeignLinesAreRefusedWithAReason) {
  for (const char* line : {"", "hello", "{}", "[]", R"({"report":"other"})",
                           R"({"report":"finding","kind":"odd"})", R"({"report":"final"})"}) {
    const auto report = decode(line);
    ASSERT_FALSE(report.has_value()) << line;
    EXPECT_FALSE(report.error().empty());
  }
}

}  // namespace
}  // namespace skysock::stress
