#include "lua/trace_command.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "lua/output.hpp"

namespace skysock::lua {
namespace {

int failed(const std::string& reason) {
  print_to(stderr, fmt::format("skysock: error: {}\n", reason));
  return 1;
}

std::optional<SocketId> parse_id(const std::string& text) {
  SocketId id = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, id).ptr != end || id < 1) return std::nullopt;
  return id;
}

}  // namespace

void add_trace_options(CLI::App& app, TraceCommand& command) {
  app.add_option("--trace", command.write, "Write every step of every socket to FILE, see below")
      ->type_name("FILE");
  app.add_option("--read-trace", command.read,
                 "Print what --trace wrote, one line per step, and check every step")
      ->type_name("FILE");
  app.add_option("--id", command.id, "With --read-trace: only the steps of this socket")
      ->type_name("ID");
}

std::string check_trace(const TraceCommand& command) {
  if (!command.id.empty() && !parse_id(command.id)) {
    return fmt::format("--id '{}': expected the id of a socket, 1 to 2147483647", command.id);
  }
  if (!command.id.empty() && command.read.empty()) return "--id is for --read-trace FILE";
  if (!command.write.empty() && !command.read.empty()) {
    return "--trace and --read-trace exclude each other";
  }
  return "";
}

std::expected<std::unique_ptr<StepTrace>, std::string> open_trace(const std::string& path) {
  auto trace = StepTrace::open(path, [path](std::error_code error) {
    print_to(stderr,
             fmt::format("skysock: warning: the trace {} ends here: {}\n", path, error.message()));
  });
  if (trace) return std::move(*trace);
  return std::unexpected(fmt::format("--trace {}: {}", path, trace.error().message()));
}

void add_trace_hooks(RuntimeHooks& hooks, StepTrace& trace) {
  hooks.observer = trace.observer();
  hooks.after_batch = [&trace] { trace.flush(); };
}

int print_trace(const TraceCommand& command) {
  const std::optional<SocketId> id = parse_id(command.id);
  std::optional<std::int64_t> start_ms;
  std::uint64_t printed = 0;
  const auto steps = read_step_trace(command.read, [&](const TracedStep& step) {
    if (!start_ms) start_ms = step.now_ms;
    if (id && *id != step.id) return;
    print_to(stdout, step_text(step, *start_ms) + "\n");
    ++printed;
  });
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return failed(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  }
  if (!steps) return failed(steps.error());
  if (id && printed == 0) {
    return failed(fmt::format("{}: no step of id {} among {} steps", command.read, *id, *steps));
  }
  return 0;
}

}  // namespace skysock::lua
