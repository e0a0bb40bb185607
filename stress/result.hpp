#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stress/ledger.hpp"
#include "stress/options.hpp"

namespace skysock::stress {

/// What a run found. Failures are kept up to a bound; all are counted in totals.failures.
struct Result {
  Totals totals;
  std::vector<Finding> failures;
  std::vector<std::uint64_t> idle_clients;  ///< Clients that verified nothing.
  std::uint64_t port_waits = 0;
  double elapsed_s = 0;  ///< From the first client's start to the last one's end.
  bool interrupted = false;
  std::string could_not_run;        ///< Why there was no run; empty when there was one.
  bool wrong_usage = false;         ///< That reason is a mistake in our own arguments.
  std::string address;              ///< HOST:PORT that was driven.
  std::vector<std::string> server;  ///< Command of the server that was started, if one was.
  std::string server_error_text;

  void add_failure(Finding finding);
};

inline constexpr std::size_t kFailuresKept = 100;

/// The verdict, and why it is could_not_run if it is.
struct Verdict {
  ExitCode code = ExitCode::could_not_run;
  std::string reason;
};

/// Any failure that shows a defect is fail; a run in which nothing (or one client nothing) was
/// verified never passes.
Verdict judge(const Result& result);

/// One line: kind, seed, connection, offset, bytes, detail and the command to repeat.
std::string failure_line(const Finding& finding, const Options& options);

/// The text that ends the output; its last line begins with PASS, FAIL, COULD NOT RUN or
/// INTERRUPTED.
std::string summary(const Result& result, const Options& options);

/// The result file's content. Units are in the names of the fields.
std::string result_json(const Result& result, const Options& options);

/// E.g. "12.3 MB" (1 MB = 10^6 bytes).
std::string megabytes(std::uint64_t bytes);

}  // namespace skysock::stress
