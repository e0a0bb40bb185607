#include "fuzz/fuzz_output.hpp"

#include <charconv>
#include <optional>

namespace skysock::fuzz {
namespace {

/// The number behind `name` and blanks, if `line` has both.
std::optional<std::uint64_t> number_after(std::string_view line, std::string_view name) {
  std::size_t at = line.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  at += name.size();
  while (at < line.size() && line[at] == ' ') ++at;
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(line.data() + at, line.data() + line.size(), value);
  if (code != std::errc{}) return std::nullopt;
  return value;
}

void take(std::uint64_t& into, std::string_view line, std::string_view name) {
  if (const auto value = number_after(line, name)) into = *value;
}

}  // namespace

void FuzzOutput::take_line(std::string_view line) {
  if (line.starts_with('#')) {
    // A stack frame ("#1 0x...") has no "cov:".
    if (!line.contains(" cov: ")) return;
    take(executions, line, "#");
    take(edges, line, " cov: ");
    take(corpus_units, line, " corp: ");
    return;
  }
  constexpr std::string_view kArtifact = "Test unit written to ";
  if (const std::size_t at = line.find(kArtifact); at != std::string_view::npos) {
    artifact = line.substr(at + kArtifact.size());
  }
  if (!line.starts_with("stat::")) return;
  take(executions, line, "number_of_executed_units:");
  take(new_units, line, "new_units_added:");
}

}  // namespace skysock::fuzz
