#include "results/history.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace skysock::results {
namespace {

constexpr const char* kVersion1 = R"sql(
CREATE TABLE machine(
  id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, cpu TEXT NOT NULL, kernel TEXT NOT NULL,
  glibc TEXT NOT NULL, governor TEXT NOT NULL, json TEXT NOT NULL);
CREATE TABLE build(
  id INTEGER PRIMARY KEY, git_sha TEXT NOT NULL, dirty INTEGER NOT NULL,
  binary_sha256 TEXT NOT NULL, flags TEXT NOT NULL, compiler TEXT NOT NULL,
  UNIQUE(git_sha, dirty, binary_sha256, flags, compiler));
CREATE TABLE run(
  id INTEGER PRIMARY KEY, started TEXT NOT NULL,
  kind TEXT NOT NULL CHECK(kind IN ('nightly', 'ab', 'aa', 'selftest', 'bisect', 'tune')),
  machine_id INTEGER NOT NULL REFERENCES machine(id), seed TEXT NOT NULL,
  tool_version TEXT NOT NULL);
CREATE TABLE benchmark(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, params_json TEXT NOT NULL, placement TEXT NOT NULL,
  UNIQUE(name, params_json, placement));
CREATE TABLE metric(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, unit TEXT NOT NULL,
  better TEXT NOT NULL CHECK(better IN ('less', 'more', 'neither')),
  class TEXT NOT NULL CHECK(class IN ('exact', 'ratio', 'time')));
CREATE TABLE sample(
  run_id INTEGER NOT NULL REFERENCES run(id),
  bench_id INTEGER NOT NULL REFERENCES benchmark(id),
  metric_id INTEGER NOT NULL REFERENCES metric(id),
  build_id INTEGER REFERENCES build(id),
  round INTEGER NOT NULL, position INTEGER NOT NULL, chunk INTEGER NOT NULL, value REAL NOT NULL);
CREATE INDEX sample_by_run ON sample(run_id, bench_id, metric_id);
-- est, lo, hi and margin are natural logarithms of ratios B/A; n too small: lo and hi are NULL.
CREATE TABLE verdict(
  run_id INTEGER NOT NULL REFERENCES run(id),
  bench_id INTEGER NOT NULL REFERENCES benchmark(id),
  metric_id INTEGER NOT NULL REFERENCES metric(id),
  a_build INTEGER NOT NULL REFERENCES build(id), b_build INTEGER NOT NULL REFERENCES build(id),
  n INTEGER NOT NULL, est REAL NOT NULL, lo REAL, hi REAL, margin REAL NOT NULL,
  state TEXT NOT NULL, confirmed INTEGER NOT NULL);
CREATE TABLE changepoint(
  bench_id INTEGER NOT NULL REFERENCES benchmark(id),
  metric_id INTEGER NOT NULL REFERENCES metric(id),
  run_id INTEGER NOT NULL REFERENCES run(id),
  before REAL, after REAL, p REAL, triage TEXT, note TEXT);
CREATE TABLE calibration(
  run_id INTEGER NOT NULL REFERENCES run(id),
  bench_id INTEGER NOT NULL REFERENCES benchmark(id),
  injected_pct REAL NOT NULL, trials INTEGER NOT NULL, detected INTEGER NOT NULL,
  false_alarms INTEGER NOT NULL);
)sql";

constexpr const char* kSchema[] = {kVersion1};

constexpr const char* kCompareBenchmark = "compare_echo";

std::string compare_params(const CompareOptions& options) {
  return nlohmann::json{{"bytes", options.workload.bytes},
                        {"connections", options.workload.connections}}
      .dump();
}

struct Unit {
  const char* unit;
  const char* better;
  const char* metric_class;
};

/// By the naming convention: the unit is the last part of a metric's name.
Unit unit_of(const std::string& metric) {
  if (metric == "bytes_per_second") return {"B/s", "more", "time"};
  if (metric.ends_with("_per_second")) return {"1/s", "more", "time"};
  if (metric.ends_with("_ns") || metric.find("_ns_per_") != std::string::npos)
    return {"ns", "less", "time"};
  if (metric.ends_with("_us")) return {"us", "less", "time"};
  if (metric.ends_with("_ms")) return {"ms", "less", "time"};
  if (metric.starts_with("syscalls_per_")) return {"1", "less", "exact"};
  if (metric.starts_with("bytes_")) return {"B", "more", "time"};
  return {"1", "neither", "time"};
}

std::int64_t last_id(SQLite::Database& database) { return database.getLastInsertRowid(); }

}  // namespace

std::span<const char* const> schema() { return kSchema; }

void migrate(SQLite::Database& database, std::span<const char* const> migrations) {
  const int version = database.execAndGet("PRAGMA user_version").getInt();
  if (version > static_cast<int>(migrations.size())) {
    throw std::runtime_error(
        fmt::format("{}: its schema version {} is newer than this program's {}",
                    database.getFilename(), version, migrations.size()));
  }
  for (auto next = static_cast<std::size_t>(version); next < migrations.size(); ++next) {
    SQLite::Transaction transaction(database);
    database.exec(migrations[next]);
    database.exec(fmt::format("PRAGMA user_version = {}", next + 1));
    transaction.commit();
  }
}

History::History(const std::string& path)
    : database_(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 10'000) {
  database_.exec("PRAGMA journal_mode = WAL");
  database_.exec("PRAGMA foreign_keys = ON");
  migrate(database_, schema());
}

std::int64_t History::id_of(const char* sql, const std::vector<std::string>& values) {
  // "ON CONFLICT DO UPDATE" with RETURNING gives the id of the old row as well as of a new one.
  SQLite::Statement statement(database_, sql);
  for (std::size_t i = 0; i < values.size(); ++i)
    statement.bind(static_cast<int>(i + 1), values[i]);
  statement.executeStep();
  return statement.getColumn(0).getInt64();
}

std::int64_t History::machine_id(const MachineFacts& machine) {
  return id_of(
      "INSERT INTO machine(fingerprint, cpu, kernel, glibc, governor, json) VALUES(?, ?, ?, ?, ?, "
      "?) "
      "ON CONFLICT(fingerprint) DO UPDATE SET json = excluded.json RETURNING id",
      {machine.fingerprint(), machine.cpu, machine.kernel, machine.glibc, machine.governor,
       nlohmann::json(machine).dump()});
}

std::int64_t History::build_id(const BuildFacts& build) {
  return id_of(
      "INSERT INTO build(git_sha, dirty, binary_sha256, flags, compiler) VALUES(?, CAST(? AS "
      "INTEGER), ?, ?, ?) "
      "ON CONFLICT DO UPDATE SET flags = excluded.flags RETURNING id",
      {build.git_sha, build.dirty ? "1" : "0", build.binary_sha256, build.flags, build.compiler});
}

std::int64_t History::benchmark_id(const std::string& name, const std::string& params,
                                   const std::string& placement) {
  return id_of(
      "INSERT INTO benchmark(name, params_json, placement) VALUES(?, ?, ?) "
      "ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
      {name, params, placement});
}

std::int64_t History::metric_id(const std::string& name, const std::string& unit,
                                const std::string& better, const std::string& metric_class) {
  return id_of(
      "INSERT INTO metric(name, unit, better, class) VALUES(?, ?, ?, ?) "
      "ON CONFLICT(name) DO UPDATE SET unit = excluded.unit RETURNING id",
      {name, unit, better, metric_class});
}

std::int64_t History::new_run(const std::string& started, const std::string& kind,
                              std::int64_t machine, std::uint64_t seed) {
  SQLite::Statement insert(
      database_,
      "INSERT INTO run(started, kind, machine_id, seed, tool_version) VALUES(?, ?, ?, ?, ?)");
  insert.bind(1, started);
  insert.bind(2, kind);
  insert.bind(3, machine);
  insert.bind(
      4, std::to_string(seed));  // Text: a seed uses all 64 bits, an SQLite integer has a sign.
  insert.bind(5, kToolVersion);
  insert.exec();
  return last_id(database_);
}

namespace {

/// The statement that stores one value, with everything bound but what changes from value to value.
class SampleInsert {
 public:
  SampleInsert(SQLite::Database& database, std::int64_t run)
      : statement_(database,
                   "INSERT INTO sample(run_id, bench_id, metric_id, build_id, round, position, "
                   "chunk, value) "
                   "VALUES(?, ?, ?, ?, ?, ?, ?, ?)"),
        run_(run) {}

  struct Place {
    std::int64_t benchmark;
    std::int64_t metric;
    std::optional<std::int64_t> build;
    std::int64_t round = 0;
    std::int64_t position = 0;
    std::int64_t chunk = 0;
  };

  void operator()(const Place& place, double value) {
    statement_.reset();
    statement_.bind(1, run_);
    statement_.bind(2, place.benchmark);
    statement_.bind(3, place.metric);
    place.build ? statement_.bind(4, *place.build) : statement_.bind(4);
    statement_.bind(5, place.round);
    statement_.bind(6, place.position);
    statement_.bind(7, place.chunk);
    statement_.bind(8, value);
    statement_.exec();
  }

 private:
  SQLite::Statement statement_;
  std::int64_t run_;
};

}  // namespace

void History::record_rounds(const std::vector<Round>& rounds, std::int64_t first_round,
                            std::int64_t run, std::int64_t benchmark, std::int64_t build_a,
                            std::int64_t build_b) {
  SampleInsert insert(database_, run);
  const std::int64_t cpu = metric_id(name_of(Metric::cpu), "ns", "less", "time");
  const std::int64_t wall = metric_id(name_of(Metric::wall), "ns", "less", "time");
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    for (const bool is_b : {false, true}) {
      const Sample& sample = is_b ? rounds[i].b : rounds[i].a;
      SampleInsert::Place place{benchmark, cpu, is_b ? build_b : build_a};
      place.round = first_round + static_cast<std::int64_t>(i);
      place.position = is_b == rounds[i].b_first ? 0 : 1;
      for (std::size_t chunk = 0; chunk < sample.cpu_ns_per_operation.size(); ++chunk) {
        place.chunk = static_cast<std::int64_t>(chunk);
        place.metric = cpu;
        insert(place, sample.cpu_ns_per_operation[chunk]);
        place.metric = wall;
        insert(place, sample.wall_ns_per_operation[chunk]);
      }
    }
  }
}

void History::record_verdict(const CompareRecord& record, Metric metric, std::int64_t run,
                             std::int64_t benchmark, std::int64_t build_a, std::int64_t build_b) {
  const Estimate result = estimate(log_ratios(record.rounds, metric));
  SQLite::Statement insert(
      database_,
      "INSERT INTO verdict(run_id, bench_id, metric_id, a_build, b_build, n, est, lo, hi, "
      "margin, state, confirmed) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.bind(1, run);
  insert.bind(2, benchmark);
  insert.bind(3, metric_id(name_of(metric), "ns", "less", "time"));
  insert.bind(4, build_a);
  insert.bind(5, build_b);
  insert.bind(6, static_cast<std::int64_t>(result.n));
  insert.bind(7, result.median);
  if (result.interval) {
    insert.bind(8, result.interval->low);
    insert.bind(9, result.interval->high);
  }
  insert.bind(10, record.options.margin);
  insert.bind(11, metric == Metric::cpu ? std::string(name_of(record.state)) : "REPORTED");
  insert.bind(12, metric == Metric::cpu && record.needed_confirmation() &&
                      record.state == record.first_state);
  insert.exec();
}

std::int64_t History::record(const CompareRecord& record) {
  SQLite::Transaction transaction(database_);
  const CompareOptions& options = record.options;
  const std::int64_t run =
      new_run(record.started, options.aa ? "aa" : "ab", machine_id(record.machine), options.seed);
  const std::int64_t benchmark =
      benchmark_id(kCompareBenchmark, compare_params(options), options.placement.name);
  const std::int64_t build_a = build_id(options.a.build);
  const std::int64_t build_b = build_id(options.b.build);
  record_rounds(record.rounds, 0, run, benchmark, build_a, build_b);
  record_rounds(record.confirm_rounds, static_cast<std::int64_t>(record.rounds.size()), run,
                benchmark, build_a, build_b);
  record_verdict(record, Metric::cpu, run, benchmark, build_a, build_b);
  record_verdict(record, Metric::wall, run, benchmark, build_a, build_b);
  transaction.commit();
  return run;
}

std::int64_t History::record(const Inputs& inputs, const std::string& kind) {
  SQLite::Transaction transaction(database_);
  const std::uint64_t seed = inputs.stress ? inputs.stress->seed : 0;
  const std::int64_t run = new_run(now_utc(), kind, machine_id(read_machine_facts()), seed);
  SampleInsert insert(database_, run);
  const auto store = [&](const std::string& name, const std::string& params,
                         const std::string& metric, double value,
                         std::optional<std::int64_t> build) {
    const Unit unit = unit_of(metric);
    insert({benchmark_id(name, params, ""),
            metric_id(metric, unit.unit, unit.better, unit.metric_class), build},
           value);
  };
  if (inputs.benchmark) {
    const auto facts = read_build_facts(inputs.benchmark->executable);
    const auto build = facts ? std::optional(build_id(*facts)) : std::nullopt;
    for (const BenchmarkRow& row : inputs.benchmark->rows) {
      const std::string name = row.variant.empty() ? row.family : row.family + "/" + row.variant;
      for (const auto& [metric, value] : row.values) {
        store(name, nlohmann::json{{"params", row.params}}.dump(), metric, value, build);
      }
    }
  }
  if (inputs.stress) {
    const StressResult& stress = *inputs.stress;
    store("stress", "{}", "bytes_verified", static_cast<double>(stress.bytes_verified),
          std::nullopt);
    store("stress", "{}", "connections_completed",
          static_cast<double>(stress.connections_completed), std::nullopt);
    store("stress", "{}", "failures", static_cast<double>(stress.failures.size()), std::nullopt);
  }
  for (const FuzzRow& row : inputs.fuzz.value_or(std::vector<FuzzRow>())) {
    store("fuzz/" + row.fuzzer, "{}", "executions", static_cast<double>(row.executions),
          std::nullopt);
    store("fuzz/" + row.fuzzer, "{}", "executions_per_second", row.executions_per_second,
          std::nullopt);
    store("fuzz/" + row.fuzzer, "{}", "edges", static_cast<double>(row.edges), std::nullopt);
  }
  transaction.commit();
  return run;
}

std::vector<double> History::aa_medians(const CompareOptions& options,
                                        const MachineFacts& machine) {
  SQLite::Statement query(
      database_,
      "SELECT verdict.est FROM verdict JOIN run ON run.id = verdict.run_id "
      "JOIN machine ON machine.id = run.machine_id "
      "JOIN benchmark ON benchmark.id = verdict.bench_id "
      "JOIN metric ON metric.id = verdict.metric_id "
      "WHERE run.kind = 'aa' AND machine.fingerprint = ? AND benchmark.name = ? "
      "AND benchmark.params_json = ? AND benchmark.placement = ? AND metric.name = ? "
      "AND verdict.n >= ?");
  query.bind(1, machine.fingerprint());
  query.bind(2, kCompareBenchmark);
  query.bind(3, compare_params(options));
  query.bind(4, options.placement.name);
  query.bind(5, name_of(Metric::cpu));
  query.bind(6, static_cast<std::int64_t>(
                    kLooks.front()));  // A median of fewer says nothing of this procedure.
  std::vector<double> result;
  while (query.executeStep()) result.push_back(query.getColumn(0).getDouble());
  return result;
}

std::vector<HistoryPoint> History::points(const std::string& kind) {
  SQLite::Statement query(database_,
                          "SELECT run.started, benchmark.name, benchmark.params_json, metric.name, "
                          "metric.unit, avg(sample.value) "
                          "FROM sample JOIN run ON run.id = sample.run_id JOIN benchmark ON "
                          "benchmark.id = sample.bench_id "
                          "JOIN metric ON metric.id = sample.metric_id "
                          "WHERE run.kind = ?1 AND run.machine_id = "
                          "(SELECT machine_id FROM run WHERE kind = ?1 ORDER BY id DESC LIMIT 1) "
                          "GROUP BY run.id, benchmark.id, metric.id ORDER BY run.id, "
                          "benchmark.name, benchmark.params_json, metric.name");
  query.bind(1, kind);
  std::vector<HistoryPoint> result;
  while (query.executeStep()) {
    const auto params = nlohmann::json::parse(query.getColumn(2).getString(), nullptr, false);
    const std::string suffix = params.is_object() ? params.value("params", "") : "";
    result.push_back({query.getColumn(0).getString(),
                      query.getColumn(1).getString() + (suffix.empty() ? "" : "/" + suffix),
                      query.getColumn(3).getString(), query.getColumn(4).getString(),
                      query.getColumn(5).getDouble()});
  }
  return result;
}

}  // namespace skysock::results
