#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "results/compare.hpp"
#include "results/facts.hpp"
#include "results/inputs.hpp"

namespace skysock::results {

/// Brings the database to version `migrations.size()`: each script runs once, in a transaction of
/// its own. Throws SQLite::Exception; std::runtime_error when the database is newer than this
/// program.
void migrate(SQLite::Database& database, std::span<const char* const> migrations);

/// The scripts of this program's schema. Only ever appended to.
std::span<const char* const> schema();

/// One value of one metric, as the report reads it back.
struct HistoryPoint {
  std::string started;
  std::string benchmark;  ///< With its parameters.
  std::string metric;
  std::string unit;
  double value = 0;
};

/// The record of all runs: SQLite, WAL, foreign keys on. One writer at a time; waits 10 s for
/// another. All members throw SQLite::Exception.
class History {
 public:
  explicit History(const std::string& path);

  /// Stores every chunk of every round, and the verdict. Returns the run's id.
  std::int64_t record(const CompareRecord& record);

  /// Stores one night: what is present in `inputs`. Returns the run's id.
  std::int64_t record(const Inputs& inputs, const std::string& kind);

  /// The estimates of all A/A runs of this machine, benchmark and placement.
  std::vector<double> aa_medians(const CompareOptions& options, const MachineFacts& machine);

  /// Means per run, oldest first, of the runs of `kind` on the machine of the latest one: other
  /// machines do not compare.
  std::vector<HistoryPoint> points(const std::string& kind);

  SQLite::Database& database() { return database_; }

 private:
  std::int64_t machine_id(const MachineFacts& machine);
  std::int64_t build_id(const BuildFacts& build);
  std::int64_t benchmark_id(const std::string& name, const std::string& params,
                            const std::string& placement);
  std::int64_t metric_id(const std::string& name, const std::string& unit,
                         const std::string& better, const std::string& metric_class);
  std::int64_t new_run(const std::string& started, const std::string& kind, std::int64_t machine,
                       std::uint64_t seed);
  std::int64_t id_of(const char* sql, const std::vector<std::string>& values);
  void record_rounds(const std::vector<Round>& rounds, std::int64_t first_round, std::int64_t run,
                     std::int64_t benchmark, std::int64_t build_a, std::int64_t build_b);
  void record_verdict(const CompareRecord& record, Metric metric, std::int64_t run,
                      std::int64_t benchmark, std::int64_t build_a, std::int64_t build_b);

  SQLite::Database database_;
};

}  // namespace skysock::results
