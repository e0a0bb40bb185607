// Do input files that lack something get refused by name, does the summary tell good from bad, and
// does the page hold what it should, escaped?

#include "results/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "results/summary.hpp"
#include "results/synthetic_compare.hpp"

namespace skysock::results {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json benchmark_json() {
  const auto row = [](const std::string& name, double items) {
    return json{{"name", name},
                {"run_type", "iteration"},
                {"time_unit", "us"},
                {"iterations", 10},
                {"real_time", 2},
                {"cpu_time", 1},
                {"items_per_second", items},
                {"syscalls_per_message", 2.5}};
  };
  return {
      {"context",
       {{"date", "today"}, {"executable", "./skysock-bench"}, {"busy", {"others had 9 %"}}}},
      {"benchmarks",
       {row("BM_Accept/skysock/real_time", 21'000), row("BM_Accept/raw_epoll/real_time", 25'000),
        row("BM_ForwardMessage/skysock/bytes:64/real_time", 900'000),
        row("BM_ForwardMessage/raw_epoll/bytes:64/real_time", 950'000)}}};
}

json stress_json() {
  return {{"seed", 5},          {"duration_s", 10.0},     {"connections_completed", 123},
          {"bytes_sent", 4096}, {"bytes_verified", 4096}, {"failures", json::array()},
          {"verdict", "pass"}};
}

json fuzz_json() {
  return json::array({{{"fuzzer", "unpack"},
                       {"executions", 123456},
                       {"seconds", 10.0},
                       {"executions_per_second", 12345.6},
                       {"corpus_units", 50},
                       {"edges", 400},
                       {"new_units", 3},
                       {"result", "ok"},
                       {"artifact", nullptr}}});
}

/// Writes inputs to files of this test and reads them as the program does.
class Files {
 public:
  Files() : folder_(testing::TempDir() + "skysock_report_test_" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~Files() { std::filesystem::remove_all(folder_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

 private:
  std::string folder_;
};

Outcome<Inputs> read_all(const json& benchmark, const json& stress, const json& fuzz,
                         const json& compare = {}) {
  Files files;
  InputPaths paths;
  if (!benchmark.is_null()) paths.benchmark = files.write("benchmark.json", benchmark.dump());
  if (!stress.is_null()) paths.stress = files.write("stress.json", stress.dump());
  if (!fuzz.is_null()) paths.fuzz = files.write("fuzz.json", fuzz.dump());
  if (!compare.is_null()) paths.compare = files.write("compare.json", compare.dump());
  return read_inputs(paths);
}

void expect_refused(const Outcome<Inputs>& inputs, const std::string& file,
                    const std::string& why) {
  ASSERT_FALSE(inputs) << why;
  EXPECT_EQ(inputs.error().code, kNothingMeasured);
  EXPECT_THAT(inputs.error().text, HasSubstr(file));
  EXPECT_THAT(inputs.error().text, HasSubstr(why));
}

TEST(BenchmarkName, IsSplitIntoFamilyVariantAndParameters) {
  const BenchmarkRow row = parse_benchmark_name("BM_Echo/lua/bytes:64/connections:100/real_time");
  EXPECT_EQ(row.family, "BM_Echo");
  EXPECT_EQ(row.variant, "lua");
  EXPECT_EQ(row.params, "bytes:64/connections:100");
  EXPECT_EQ(parse_benchmark_name("BM_X").variant, "");
  EXPECT_EQ(parse_benchmark_name("BM_X/bytes:64").params, "bytes:64");
  EXPECT_EQ(parse_benchmark_name("BM_X/skysock/process_time/real_time/threads:2").params, "");
}

TEST(Inputs, BenchmarkTimesAreNanosecondsAndCountersAreKept) {
  const auto inputs = read_all(benchmark_json(), {}, {});
  ASSERT_TRUE(inputs) << inputs.error().text;
  ASSERT_EQ(inputs->benchmark->rows.size(), 4U);
  const auto& values = inputs->benchmark->rows[0].values;
  EXPECT_EQ(values.at("real_time_ns"), 2000);
  EXPECT_EQ(values.at("syscalls_per_message"), 2.5);
  EXPECT_FALSE(values.contains("iterations"));
  EXPECT_FALSE(inputs->stress);
}

TEST(Inputs, AggregatesAreNotCountedAsRuns) {
  json benchmark = benchmark_json();
  benchmark["benchmarks"][0]["run_type"] = "aggregate";
  EXPECT_EQ(read_all(benchmark, {}, {})->benchmark->rows.size(), 3U);
}

TEST(Inputs, FilesWithoutWorkAreRefusedByName) {
  json no_bytes = stress_json();
  no_bytes["bytes_verified"] = 0;
  json no_runs = fuzz_json();
  no_runs[0]["executions"] = 0;
  expect_refused(read_all({{"benchmarks", json::array()}}, {}, {}), "benchmark.json",
                 "holds no benchmark");
  expect_refused(read_all({}, no_bytes, {}), "stress.json", "without verifying a byte");
  expect_refused(read_all({}, {}, no_runs), "fuzz.json", "ran no input");
  expect_refused(read_all({}, {}, json::array()), "fuzz.json", "holds no fuzzer");
}

TEST(Inputs, MissingFilesFieldsAndBrokenJsonAreRefusedByName) {
  Files files;
  expect_refused(read_inputs({"/no/such/file", "", "", ""}), "/no/such/file", "cannot read");
  expect_refused(read_inputs({"", files.write("broken.json", "{\"seed\": "), "", ""}),
                 "broken.json", "parse error");
  const json whole = stress_json();  // items() refers to it.
  for (const auto& [field, value] : whole.items()) {
    json without = stress_json();
    without.erase(field);
    expect_refused(read_all({}, without, {}), "stress.json", field);
  }
}

TEST(Inputs, AFailedBenchmarkIsRefused) {
  json benchmark = benchmark_json();
  benchmark["benchmarks"][0]["error_occurred"] = true;
  benchmark["benchmarks"][0]["error_message"] = "wrong answer";
  expect_refused(read_all(benchmark, {}, {}), "BM_Accept/skysock", "wrong answer");
}

TEST(Summary, ShowsVariantsSideBySideAndPasses) {
  const auto inputs = read_all(benchmark_json(), stress_json(), fuzz_json());
  ASSERT_TRUE(inputs);
  const std::string table = format_table(summarise(*inputs));
  EXPECT_THAT(table, HasSubstr("accepts per second"));
  EXPECT_THAT(table, HasSubstr("skysock 21 k/s  |  raw_epoll 25 k/s"));
  EXPECT_THAT(table, HasSubstr("forward_message, bytes:64"));
  EXPECT_THAT(table, HasSubstr("benchmarks on a busy machine"));
  EXPECT_THAT(table, HasSubstr("others had 9 %"));
  EXPECT_THAT(table, HasSubstr("4 KiB over 123 connections in 10 s, PASS"));
  EXPECT_THAT(table, HasSubstr("123.5 k executions in 10 s"));
  EXPECT_EQ(summary_exit_code(*inputs), kPass);
}

TEST(Summary, AVanishedBenchmarkIsNothingMeasured) {
  for (std::size_t gone = 0; gone < 4; ++gone) {
    json benchmark = benchmark_json();
    benchmark["benchmarks"].erase(gone);
    const auto inputs = read_all(benchmark, {}, {});
    ASSERT_TRUE(inputs);
    EXPECT_EQ(missing_parts(*inputs).size(), 1U) << gone;
    EXPECT_EQ(summary_exit_code(*inputs), kNothingMeasured) << gone;
  }
}

TEST(Summary, ABenchmarkWithoutARateIsNothingMeasured) {
  json benchmark = benchmark_json();
  benchmark["benchmarks"][0]["items_per_second"] = 0;
  EXPECT_EQ(summary_exit_code(*read_all(benchmark, {}, {})), kNothingMeasured);
}

TEST(Summary, FailuresAndCrashesFailIt) {
  json stress = stress_json();
  stress["verdict"] = "fail";
  stress["failures"] = {"connection 4, offset 17"};
  json fuzz = fuzz_json();
  fuzz[0]["result"] = "crash";
  fuzz[0]["artifact"] = "crash-1234";
  const json regressed = to_json(compare_synthetic(1.1).value());
  const auto only_regressed = read_all({}, stress_json(), fuzz_json(), regressed);
  ASSERT_TRUE(only_regressed) << only_regressed.error().text;
  EXPECT_EQ(summary_exit_code(*only_regressed), kPass);
  EXPECT_THAT(format_table(summarise(*only_regressed)), HasSubstr("! compare base with next"));
  EXPECT_EQ(summary_exit_code(*read_all({}, stress, fuzz_json(), regressed)), kFound);
  EXPECT_EQ(summary_exit_code(*read_all({}, stress_json(), fuzz, regressed)), kFound);
  const std::string table = format_table(summarise(*read_all({}, stress, fuzz)));
  EXPECT_THAT(table, HasSubstr("! stress bytes verified"));
  EXPECT_THAT(table, HasSubstr("connection 4, offset 17"));
  EXPECT_THAT(table, HasSubstr("CRASH: crash-1234"));
}

TEST(Summary, UnitsAreScaled) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1'234'567), "1.235 M");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(1), "1 B");
}

ReportData full_report(const json& compare) {
  ReportData data{read_all(benchmark_json(), stress_json(), fuzz_json(), compare).value(),
                  {},
                  {},
                  "now",
                  "CHARTJS"};
  data.machine.cpu = "Some <b>CPU</b>";
  return data;
}

TEST(Report, HoldsEverySectionAndTheChartScript) {
  const std::string page = make_report(full_report(to_json(compare_synthetic(1.05).value())));
  for (const char* text : {"<script>CHARTJS</script>", "Summary", "Where and what",
                           "Comparison: base (A) with next (B)", "REGRESSED", "Benchmark BM_Accept",
                           "raw_epoll", "Fuzzing", "123456", "Stress", "MiB",
                           "operations per second", "median", "interval, low", "margin"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
  EXPECT_THAT(page, Not(HasSubstr("History"))) << "one night is no history";
}

TEST(Report, PlotsEveryRound) {
  const json compare = to_json(compare_synthetic(1.05).value());
  const std::string page = make_report(full_report(compare));
  for (const json& round : compare.at("rounds"))
    EXPECT_THAT(page, HasSubstr(round.at("cpu_ratio").dump()));
}

TEST(Report, EscapesTextAndScripts) {
  json compare = to_json(compare_synthetic(1.05).value());
  compare["b"]["name"] = "<script>alert('x')</script>";
  compare["b"]["command"] = {"a", "</script><img src=x>"};
  ReportData data = full_report(compare);
  data.inputs.benchmark->rows[0].variant = "</script><i>";
  const std::string page = make_report(data);
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("</script><i>")));
  EXPECT_THAT(page, Not(HasSubstr("<b>CPU")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
}

TEST(Report, SeveralNightsArePlotted) {
  ReportData data = full_report({});
  data.history = {{"night 1", "BM_Accept/skysock", "items_per_second", "1/s", 17'171},
                  {"night 2", "BM_Accept/skysock", "items_per_second", "1/s", 18'181}};
  const std::string page = make_report(data);
  EXPECT_THAT(page, HasSubstr("History: 2 nights"));
  EXPECT_THAT(page, HasSubstr("17171"));
  EXPECT_THAT(page, HasSubstr("items_per_second (1/s)"));
}

TEST(Report, AnIdenticalComparisonNeedsNoPlot) {
  CompareRecord record;
  record.options = synthetic_options();
  record.identical = true;
  EXPECT_THAT(make_report(full_report(to_json(record))), HasSubstr("identical: same binary"));
}

}  // namespace
}  // namespace skysock::results
