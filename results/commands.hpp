#pragma once

#include <CLI/CLI.hpp>

namespace skysock::results {

/// Each adds one subcommand to `app`; when it was chosen, `*exit_code` is its exit code after
/// parsing.
void add_compare_command(CLI::App& app, int* exit_code);
void add_import_command(CLI::App& app, int* exit_code);
void add_report_command(CLI::App& app, int* exit_code);
void add_summary_command(CLI::App& app, int* exit_code);

}  // namespace skysock::results
