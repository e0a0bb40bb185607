#include "stress/result.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "stress/json.hpp"

namespace skysock::stress {
namespace {

using nlohmann::json;

/// Printed in the summary; the file has more.
constexpr std::size_t kFailuresPrinted = 10;

bool names_connection(FailureKind kind) {
  return kind != FailureKind::server && kind != FailureKind::client;
}

std::uint64_t client_of(const Finding& finding) { return finding.connection >> kClientShift; }

std::uint64_t sequence_of(const Finding& finding) {
  return finding.connection & ((std::uint64_t{1} << kClientShift) - 1);
}

/// A run of nothing but refused connects says that nobody listens, not that the server is
/// defective.
bool nothing_listened(const Result& result) {
  return result.totals.bytes_sent == 0 && result.totals.count(FailureKind::refused) > 0 &&
         result.totals.failure_count() == result.totals.count(FailureKind::refused);
}

std::string why_nothing_was_measured(const Result& result) {
  if (!result.could_not_run.empty()) return result.could_not_run;
  if (nothing_listened(result)) {
    const std::string detail = result.failures.empty() ? "" : result.failures.front().detail;
    return fmt::format("no connection to {} could be made ({})", result.address, detail);
  }
  if (result.totals.connections_completed == 0 || result.totals.bytes_verified == 0) {
    return fmt::format("nothing was verified in {:.1f} s", result.elapsed_s);
  }
  if (!result.idle_clients.empty()) {
    return fmt::format("client {} verified nothing", result.idle_clients.front());
  }
  return {};
}

double per_second(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

std::string_view word_of(ExitCode code) {
  switch (code) {
    case ExitCode::pass:
      return "PASS";
    case ExitCode::fail:
      return "FAIL";
    case ExitCode::usage:
    case ExitCode::could_not_run:
      return "COULD NOT RUN";
    case ExitCode::interrupted:
      return "INTERRUPTED";
  }
  return "FAIL";
}

std::string_view json_word_of(ExitCode code) {
  switch (code) {
    case ExitCode::pass:
      return "pass";
    case ExitCode::fail:
      return "fail";
    case ExitCode::usage:
    case ExitCode::could_not_run:
      return "could_not_run";
    case ExitCode::interrupted:
      return "interrupted";
  }
  return "fail";
}

std::string failures_text(const Result& result, const Options& options) {
  std::string text;
  std::size_t printed = 0;
  for (const Finding& finding : result.failures) {
    if (++printed > kFailuresPrinted) break;
    text += failure_line(finding, options) + "\n";
  }
  const std::uint64_t all = result.totals.failure_count();
  if (all > kFailuresPrinted) text += fmt::format("... and {} more\n", all - kFailuresPrinted);
  return text;
}

std::string counts_text(const Totals& totals) {
  std::string text;
  for (std::size_t i = 0; i < kFailureKinds; ++i) {
    if (totals.failures[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", totals.failures[i],
                        name_of(static_cast<FailureKind>(i)));
  }
  return text.empty() ? "no failure" : text;
}

json failure_json(const Finding& finding, const Options& options) {
  json value = to_json(finding);
  if (names_connection(finding.kind)) value["client"] = client_of(finding);
  value["line"] = failure_line(finding, options);
  return value;
}

void add_rates(json& value, const Result& result) {
  value["connections_per_s"] = per_second(result.totals.connections_completed, result.elapsed_s);
  value["verified_bytes_per_s"] = per_second(result.totals.bytes_verified, result.elapsed_s);
}

void add_counts(json& value, const Totals& totals) {
  value.update(to_json(totals));
  value.erase("failures_by_kind");
  value["mismatches"] = totals.count(FailureKind::mismatch);
  value["losses"] = totals.count(FailureKind::loss);
  value["extras"] = totals.count(FailureKind::extra);
  value["refused"] = totals.count(FailureKind::refused);
  value["hangs"] = totals.count(FailureKind::hang);
  value["server_failures"] = totals.count(FailureKind::server);
  value["client_failures"] = totals.count(FailureKind::client);
}

}  // namespace

void Result::add_failure(Finding finding) {
  // What the parent saw (a dead server) explains what clients saw: it comes first.
  const bool first = !names_connection(finding.kind);
  if (first) {
    failures.insert(failures.begin(), std::move(finding));
  } else {
    failures.push_back(std::move(finding));
  }
  if (failures.size() > kFailuresKept) failures.pop_back();
}

Verdict judge(const Result& result) {
  if (!result.could_not_run.empty()) {
    const auto code = result.wrong_usage ? ExitCode::usage : ExitCode::could_not_run;
    return {code, result.could_not_run};
  }
  if (nothing_listened(result)) {
    return {ExitCode::could_not_run, why_nothing_was_measured(result)};
  }
  if (result.totals.failure_count() > 0) return {ExitCode::fail, counts_text(result.totals)};
  if (result.interrupted) return {ExitCode::interrupted, "stopped by a signal before the end"};
  std::string nothing = why_nothing_was_measured(result);
  if (!nothing.empty()) return {ExitCode::could_not_run, std::move(nothing)};
  return {ExitCode::pass, "every byte verified"};
}

std::string failure_line(const Finding& finding, const Options& options) {
  std::string line = fmt::format("FAIL {}: seed {}", name_of(finding.kind), options.seed);
  if (names_connection(finding.kind)) {
    line += fmt::format(", connection {} (client {}, its number {}), offset {}", finding.connection,
                        client_of(finding), sequence_of(finding), finding.offset);
  }
  if (finding.expected && finding.got) {
    line += fmt::format(", expected 0x{:02x}, got 0x{:02x}", *finding.expected, *finding.got);
  }
  return fmt::format("{}: {}; repeat: {}", line, finding.detail, repeat_command(options));
}

std::string summary(const Result& result, const Options& options) {
  std::string text = failures_text(result, options);
  const Verdict verdict = judge(result);
  if (verdict.code != ExitCode::pass && !result.server_error_text.empty()) {
    text += "standard error of the server:\n" + result.server_error_text;
    if (!text.ends_with('\n')) text += '\n';
  }
  const Totals& totals = result.totals;
  if (result.could_not_run.empty()) {
    text += fmt::format(
        "{} clients x {} connections, {:.1f} s against {}: {} connections completed ({:.0f}/s, {} "
        "half-closed), {} sent, {} verified ({}/s)\n",
        options.clients, options.connections, result.elapsed_s, result.address,
        totals.connections_completed, per_second(totals.connections_completed, result.elapsed_s),
        totals.half_closes_completed, megabytes(totals.bytes_sent),
        megabytes(totals.bytes_verified),
        megabytes(static_cast<std::uint64_t>(per_second(totals.bytes_verified, result.elapsed_s))));
  }
  return text + fmt::format("{}: {} (seed {}, exit code {})\n", word_of(verdict.code),
                            verdict.reason, options.seed, static_cast<int>(verdict.code));
}

std::string result_json(const Result& result, const Options& options) {
  const Verdict verdict = judge(result);
  json value;
  value["tool"] = "skysock-stress";
  value["verdict"] = json_word_of(verdict.code);
  value["exit_code"] = static_cast<int>(verdict.code);
  value["reason"] = verdict.reason;
  value["seed"] = options.seed;
  value["clients"] = options.clients;
  value["connections_per_client"] = options.connections;
  value["duration_s"] = options.duration_s;
  value["hang_timeout_s"] = options.hang_timeout_s;
  value["message_bytes_max"] = options.message_bytes_max;
  value["target"] = result.address;
  value["server_command"] = result.server;
  value["repeat"] = repeat_command(options);
  value["elapsed_s"] = result.elapsed_s;
  add_counts(value, result.totals);
  add_rates(value, result);
  value["local_port_waits"] = result.port_waits;
  value["failures"] = json::array();
  for (const Finding& finding : result.failures) {
    value["failures"].push_back(failure_json(finding, options));
  }
  value["failures_left_out"] = result.totals.failure_count() - result.failures.size();
  value["server_stderr"] = result.server_error_text;
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

}  // namespace skysock::stress
