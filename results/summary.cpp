#include "results/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

namespace skysock::results {
namespace {

struct Scale {
  double factor;
  const char* suffix;
};

std::string scaled(double value, std::span<const Scale> scales) {
  for (const Scale& scale : scales) {
    if (std::abs(value) >= scale.factor)
      return fmt::format("{:.4g} {}", value / scale.factor, scale.suffix);
  }
  return fmt::format("{:.4g} {}", value, scales.back().suffix);
}

/// What a family is called in the table; unknown ones keep their name.
std::string title_of(const std::string& family) {
  if (family == "BM_Accept") return "accepts per second";
  if (family == "BM_ForwardMessage") return "forward_message";
  if (family == "BM_Echo") return "echo";
  return family;
}

std::string rate_text(const BenchmarkRow& row) {
  const std::string variant = row.variant.empty() ? "" : row.variant + " ";
  const auto items = row.values.find("items_per_second");
  const auto bytes = row.values.find("bytes_per_second");
  std::string text =
      items != row.values.end()
          ? fmt::format("{}{}/s", variant, count_text(items->second))
          : fmt::format("{}{} ns each", variant, count_text(row.values.at("real_time_ns")));
  if (bytes != row.values.end()) text += fmt::format(" ({}/s)", bytes_text(bytes->second));
  return text;
}

/// One row per family and parameters, its variants side by side, in the order of the file.
std::vector<SummaryRow> benchmark_rows(const BenchmarkFile& file) {
  std::vector<SummaryRow> rows;
  for (const BenchmarkRow& row : file.rows) {
    const std::string what = title_of(row.family) + (row.params.empty() ? "" : ", " + row.params);
    const auto same = std::ranges::find(rows, what, &SummaryRow::what);
    if (same == rows.end()) {
      rows.push_back({what, rate_text(row)});
    } else {
      same->value += "  |  " + rate_text(row);
    }
  }
  for (const std::string& reason : file.busy) {
    rows.push_back({"benchmarks on a busy machine", reason});
  }
  return rows;
}

SummaryRow stress_row(const StressResult& stress) {
  std::string value = fmt::format(
      "{} over {} connections in {:.0f} s, {}", bytes_text(double(stress.bytes_verified)),
      stress.connections_completed, stress.duration_s, stress.passed ? "PASS" : "FAIL");
  if (!stress.failures.empty()) {
    value +=
        fmt::format(", {} failures, first: {}", stress.failures.size(), stress.failures.front());
  }
  return {"stress bytes verified", value, stress.passed};
}

SummaryRow fuzz_row(const FuzzRow& row) {
  std::string value =
      fmt::format("{} executions in {:.0f} s ({}/s), {}", count_text(double(row.executions)),
                  row.seconds, count_text(row.executions_per_second), row.crashed ? "CRASH" : "ok");
  if (row.crashed) value += ": " + row.artifact;
  return {"fuzz " + row.fuzzer, value, !row.crashed};
}

SummaryRow compare_row(const nlohmann::json& compare) {
  const std::string verdict = compare.at("verdict");
  std::string value = compare.at("verdict_text");
  const auto& cpu = compare.at("metrics").at("cpu_ns_per_operation");
  if (verdict != "IDENTICAL" && cpu.at("interval").is_object()) {
    value += fmt::format("; CPU B/A {:.4f} [{:.4f}, {:.4f}], n={}", cpu.at("ratio").get<double>(),
                         cpu.at("interval").at("low").get<double>(),
                         cpu.at("interval").at("high").get<double>(), cpu.at("n").get<int>());
  }
  const std::string a = compare.at("a").at("name");
  const std::string b = compare.at("b").at("name");
  return {fmt::format("compare {} with {}", a, b), value, verdict != "REGRESSED"};
}

bool works(const BenchmarkFile& file, const std::string& family, const std::string& variant) {
  return std::ranges::any_of(file.rows, [&](const BenchmarkRow& row) {
    const auto rate = row.values.find("items_per_second");
    return row.family == family && row.variant == variant && rate != row.values.end() &&
           rate->second > 0;
  });
}

}  // namespace

std::string count_text(double value) {
  constexpr std::array<Scale, 4> kScales = {{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}}};
  std::string text = scaled(value, kScales);
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

std::string bytes_text(double value) {
  constexpr std::array<Scale, 4> kScales = {
      {{0x1p30, "GiB"}, {0x1p20, "MiB"}, {0x1p10, "KiB"}, {1, "B"}}};
  return scaled(value, kScales);
}

std::vector<SummaryRow> summarise(const Inputs& inputs) {
  std::vector<SummaryRow> rows;
  if (inputs.benchmark) rows = benchmark_rows(*inputs.benchmark);
  for (const FuzzRow& row : inputs.fuzz.value_or(std::vector<FuzzRow>()))
    rows.push_back(fuzz_row(row));
  if (inputs.stress) rows.push_back(stress_row(*inputs.stress));
  if (inputs.compare) rows.push_back(compare_row(*inputs.compare));
  return rows;
}

std::vector<std::string> missing_parts(const Inputs& inputs) {
  std::vector<std::string> missing;
  if (!inputs.benchmark) return missing;
  for (const char* family : {"BM_Accept", "BM_ForwardMessage"}) {
    for (const char* variant : {"skysock", "raw_epoll"}) {
      if (!works(*inputs.benchmark, family, variant)) {
        missing.push_back(
            fmt::format("benchmark {}/{} is missing or did no work", family, variant));
      }
    }
  }
  return missing;
}

ExitCode summary_exit_code(const Inputs& inputs) {
  const auto fuzz = inputs.fuzz.value_or(std::vector<FuzzRow>());
  const bool failed =
      (inputs.stress && !inputs.stress->passed) || std::ranges::any_of(fuzz, &FuzzRow::crashed);
  if (!missing_parts(inputs).empty()) return kNothingMeasured;
  return failed ? kFound : kPass;
}

std::string format_table(const std::vector<SummaryRow>& rows) {
  std::size_t width = 0;
  for (const SummaryRow& row : rows) width = std::max(width, row.what.size());
  std::string text;
  for (const SummaryRow& row : rows) {
    text += fmt::format("{} {:<{}}  {}\n", row.good ? " " : "!", row.what, width, row.value);
  }
  return text;
}

}  // namespace skysock::results
