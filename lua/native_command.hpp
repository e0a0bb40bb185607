#pragma once

// `skysock --native MODE --listen HOST:PORT`: a C++ service instead of a script.

#include <CLI/CLI.hpp>
#include <atomic>
#include <expected>
#include <optional>
#include <string>

#include "core/service/native_service.hpp"

namespace skysock::lua {

/// What the command line says, unchecked.
struct NativeCommand {
  std::string mode;
  std::string listen;
};

void add_native_options(CLI::App& app, NativeCommand& command);

/// Nothing when no C++ service was asked for. Errors: a sentence that names the option and what was
/// expected.
std::expected<std::optional<NativeOptions>, std::string> parse_native(const NativeCommand& command);

/// Makes the service; it prints "listening on HOST:PORT" once it accepts. When it cannot serve, it
/// says so, sets `failed` (which must outlive the runtime) and asks the runtime to stop.
ServiceHandle spawn_native(Runtime& runtime, const NativeOptions& options,
                           std::atomic<bool>& failed);

}  // namespace skysock::lua
