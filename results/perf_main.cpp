// The program skysock-perf: comparisons, the history, the nightly summary and report.

#include <fmt/format.h>

#include "core/base/unknown_command.hpp"
#include "results/commands.hpp"
#include "results/compare.hpp"
#include "results/outcome.hpp"

namespace {

int run(int argc, char** argv) {
  int exit_code = skysock::results::kUsage;
  CLI::App app("Compares two variants of a server on a noisy machine, and keeps and shows results.",
               "skysock-perf");
  app.set_version_flag("--version", std::string("skysock-perf ") + skysock::results::kToolVersion);
  app.require_subcommand(1);
  app.footer("skysock-perf COMMAND --help tells the options and exit codes of each.");
  skysock::results::add_compare_command(app, &exit_code);
  skysock::results::add_import_command(app, &exit_code);
  skysock::results::add_report_command(app, &exit_code);
  skysock::results::add_summary_command(app, &exit_code);
  if (const auto wrong = skysock::unknown_command(app, argc, argv); !wrong.empty()) {
    fmt::print(stderr, "skysock-perf: {}\nRun with --help for more information.\n", wrong);
    return skysock::results::kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? skysock::results::kPass : skysock::results::kUsage;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    // A database that is locked, broken or newer; a full disk.
    fmt::print(stderr, "skysock-perf: {}\n", error.what());
    return skysock::results::kNothingMeasured;
  }
}
