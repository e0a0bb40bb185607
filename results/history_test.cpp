// Does the history keep everything that was measured, survive reopening, and refuse what it does
// not know?

#include "results/history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "results/synthetic_compare.hpp"

namespace skysock::results {
namespace {

/// A path for a database of this test alone; the files go with it.
class TemporaryPath {
 public:
  TemporaryPath()
      : path_(testing::TempDir() + "skysock_" + std::to_string(getpid()) + "_" +
              testing::UnitTest::GetInstance()->current_test_info()->name() + ".db") {
    remove();
  }
  ~TemporaryPath() { remove(); }
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;

  [[nodiscard]] const std::string& text() const { return path_; }

 private:
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }
  std::string path_;
};

int count(History& history, const std::string& table) {
  return history.database().execAndGet("SELECT count(*) FROM " + table).getInt();
}

TEST(Migrate, RunsEachScriptOnce) {
  SQLite::Database database(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  const std::array scripts = {"CREATE TABLE a(x)", "CREATE TABLE b(x); INSERT INTO b VALUES(1)"};
  migrate(database, std::span(scripts).first(1));
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 1);
  migrate(database, scripts);
  migrate(database, scripts);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 2);
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM b").getInt(), 1);
}

TEST(Migrate, AFailedScriptLeavesTheVersionBefore) {
  SQLite::Database database(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  const std::array scripts = {"CREATE TABLE a(x)", "CREATE TABLE b(x); CREATE TABLE a(x)"};
  EXPECT_THROW(migrate(database, scripts), SQLite::Exception);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 1);
  EXPECT_FALSE(database.tableExists("b"));
}

TEST(Migrate, ANewerDatabaseIsRefused) {
  const TemporaryPath path;
  {
    History history(path.text());
    history.database().exec("PRAGMA user_version = 99");
  }
  EXPECT_THROW(History history(path.text()), std::runtime_error);
}

TEST(History, HasWalForeignKeysAndAllTables) {
  const TemporaryPath path;
  History history(path.text());
  EXPECT_EQ(history.database().execAndGet("PRAGMA journal_mode").getString(), "wal");
  for (const char* table : {"machine", "build", "run", "benchmark", "metric", "sample", "verdict",
                            "changepoint", "calibration"}) {
    EXPECT_TRUE(history.database().tableExists(table)) << table;
  }
  EXPECT_THROW(history.database().exec("INSERT INTO run VALUES(1, '', 'ab', 77, '0', '')"),
               SQLite::Exception)
      << "machine 77 does not exist";
}

TEST(History, AComparisonIsStoredWithEveryChunkAndItsVerdict) {
  const TemporaryPath path;
  {
    History history(path.text());
    history.record(compare_synthetic(1.05).value());
  }
  History history(path.text());
  EXPECT_EQ(count(history, "run"), 1);
  EXPECT_EQ(count(history, "build"), 2);
  EXPECT_EQ(count(history, "sample"), (16 + 64) * 2 * 5 * 2) << "rounds x sides x chunks x metrics";
  SQLite::Statement query(
      history.database(),
      "SELECT n, est, lo, hi, confirmed FROM verdict WHERE state = 'REGRESSED'");
  ASSERT_TRUE(query.executeStep());
  EXPECT_EQ(query.getColumn(0).getInt(), 16);
  EXPECT_NEAR(query.getColumn(1).getDouble(), std::log(1.05), 0.01);
  EXPECT_GT(query.getColumn(2).getDouble(), 0);
  EXPECT_LT(query.getColumn(2).getDouble(), query.getColumn(3).getDouble());
  EXPECT_EQ(query.getColumn(4).getInt(), 1);
}

TEST(History, PositionTellsWhichSideRanFirst) {
  const TemporaryPath path;
  History history(path.text());
  const auto record = compare_synthetic(1.0).value();
  history.record(record);
  SQLite::Statement query(history.database(),
                          "SELECT round, position FROM sample JOIN build ON build.id = build_id "
                          "WHERE binary_sha256 = 'bbbb' GROUP BY round, position ORDER BY round");
  for (const Round& round : record.rounds) {
    ASSERT_TRUE(query.executeStep());
    EXPECT_EQ(query.getColumn(1).getInt(), round.b_first ? 0 : 1) << query.getColumn(0).getInt();
  }
  EXPECT_FALSE(query.executeStep());
}

TEST(History, TheSameMachineBuildAndBenchmarkAreStoredOnce) {
  const TemporaryPath path;
  History history(path.text());
  history.record(compare_synthetic(1.0).value());
  history.record(compare_synthetic(1.0).value());
  EXPECT_EQ(count(history, "run"), 2);
  EXPECT_EQ(count(history, "machine"), 1);
  EXPECT_EQ(count(history, "build"), 2);
  EXPECT_EQ(count(history, "benchmark"), 1);
  EXPECT_EQ(count(history, "metric"), 2);
}

TEST(History, TheMarginComesFromOwnAaRunsOfTheSamePlacementOnly) {
  const TemporaryPath path;
  History history(path.text());
  CompareOptions options = synthetic_options();
  history.record(compare_synthetic(1.05, options).value());
  EXPECT_TRUE(history.aa_medians(options, read_machine_facts()).empty())
      << "an A/B run is not an A/A run";
  options.aa = true;
  history.record(compare_synthetic(1.05, options).value());
  EXPECT_EQ(history.aa_medians(options, read_machine_facts()).size(), 1U);
  options.placement.name = "same-cpu";
  EXPECT_TRUE(history.aa_medians(options, read_machine_facts()).empty());
  options = synthetic_options();
  options.workload.bytes = 4096;
  EXPECT_TRUE(history.aa_medians(options, read_machine_facts()).empty());
}

Inputs night(double accepts) {
  Inputs inputs;
  BenchmarkRow row = parse_benchmark_name("BM_Accept/skysock/real_time");
  row.values = {{"items_per_second", accepts}};
  inputs.benchmark = BenchmarkFile{"", "", {row}};
  inputs.stress.emplace();
  inputs.stress->seed = 0xFFFF'FFFF'FFFF'FFFFU;
  inputs.stress->bytes_verified = 500;
  inputs.stress->passed = true;
  inputs.fuzz.emplace(1);
  inputs.fuzz->front().fuzzer = "unpack";
  inputs.fuzz->front().executions = 9;
  return inputs;
}

TEST(History, NightsComeBackOldestFirst) {
  const TemporaryPath path;
  History history(path.text());
  history.record(night(100), "nightly");
  history.record(night(110), "nightly");
  std::vector<double> accepts;
  for (const HistoryPoint& point : history.points("nightly")) {
    if (point.benchmark == "BM_Accept/skysock" && point.metric == "items_per_second") {
      accepts.push_back(point.value);
      EXPECT_EQ(point.unit, "1/s");
    }
  }
  EXPECT_THAT(accepts, testing::ElementsAre(100, 110));
  EXPECT_TRUE(history.points("ab").empty());
}

TEST(History, ASeedOfSixtyFourBitsIsKept) {
  const TemporaryPath path;
  History history(path.text());
  history.record(night(1), "nightly");
  EXPECT_EQ(history.database().execAndGet("SELECT seed FROM run").getString(),
            "18446744073709551615");
}

}  // namespace
}  // namespace skysock::results
