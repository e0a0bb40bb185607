#include "fuzz/stream_trace.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "fuzz/sim_cells.hpp"
#include "fuzz/sim_program.hpp"

namespace skysock::fuzz {
namespace {

SimCells* counted_in = nullptr;

bool tracing() {
  static const bool on = std::getenv("SKYSOCK_FUZZ_TRACE") != nullptr;
  return on;
}

}  // namespace

void trace_operation(char letter, std::span<const std::uint8_t> rest) {
  if (tracing()) fmt::print(stderr, "{}\n", operation_text(letter, rest));
}

void trace_end(bool abandoned) {
  if (!tracing()) return;
  fmt::print(stderr, "(end of the program: {})\n",
             abandoned ? "the server goes as it is" : "everything is closed");
}

void trace_event(const Event& event, bool refused) {
  if (!tracing()) return;
  constexpr std::array kNames = {"OPEN", "ACCEPT", "DATA",    "CLOSE",
                                 "ERR",  "UDP",    "WARNING", "HANDOVER"};
  const bool text = event.kind == EventKind::open || event.kind == EventKind::accept ||
                    event.kind == EventKind::error;
  fmt::print(stderr, "  {} id={} to={} ud={} {}{}\n", kNames[static_cast<std::size_t>(event.kind)],
             event.id, event.to, event.ud, text ? event.data.text() : std::string_view(),
             refused ? " (refused)" : "");
}

void count_steps_in(SimCells* cells) { counted_in = cells; }

void count_faults(const SimKernel& kernel) {
  if (counted_in == nullptr) return;
  for (const auto& [call, error] : kernel.faults_met()) counted_in->count_fault(call, error);
}

void trace_step(const Step& step) {
  if (counted_in != nullptr) counted_in->count(step.rule);
  if (!tracing()) return;
  const Rule& rule = step.rule;
  fmt::print(stderr, "  id={} {}: {} -> {}\n", step.id, to_text(rule.input), to_text(rule.from),
             to_text(rule.to));
}

void trace_stop(std::size_t thread, YieldPoint point, SocketId id) {
  if (!tracing()) return;
  fmt::print(stderr, "  thread {} stops at {}{}\n", thread, to_text(point),
             id == 0 ? std::string() : fmt::format(" of id={}", id));
}

void trace_raw(std::span<const std::byte> bytes) {
  if (tracing()) fmt::print(stderr, "  raw: {:02x}\n", fmt::join(bytes, ""));
}

}  // namespace skysock::fuzz
