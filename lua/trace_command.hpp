#pragma once

// `skysock --trace FILE` and `skysock --read-trace FILE [--id ID]`.

#include <CLI/CLI.hpp>
#include <expected>
#include <memory>
#include <string>

#include "core/net/step_trace.hpp"
#include "core/service/runtime.hpp"

namespace skysock::lua {

/// What the command line says, unchecked.
struct TraceCommand {
  std::string write;  ///< FILE of --trace.
  std::string read;   ///< FILE of --read-trace.
  std::string id;
};

void add_trace_options(CLI::App& app, TraceCommand& command);

/// "", or a sentence that names the option and what was expected.
std::string check_trace(const TraceCommand& command);

/// A trace whose end by a failure is one line on standard error. Errors: a sentence that names the
/// file.
std::expected<std::unique_ptr<StepTrace>, std::string> open_trace(const std::string& path);

/// Lets a runtime write into `trace`, which must outlive it.
void add_trace_hooks(RuntimeHooks& hooks, StepTrace& trace);

/// Prints a trace, one line per step, and says on standard error where it is damaged. Returns the
/// exit code. Requires: check_trace() found nothing.
int print_trace(const TraceCommand& command);

}  // namespace skysock::lua
