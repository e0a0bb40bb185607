#include "bench/counts/record.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace skysock::bench::counts {

using load::Outcome;

Outcome<Record> parse_record(const std::string& text, const std::string& path) {
  const auto wrong = [&](const std::string& what) {
    return std::unexpected(fmt::format("'{}': {}", path, what));
  };
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return wrong("expected JSON as --update writes it");
  Record record;
  for (const char* key : {"reason", "fingerprint", "scenarios"}) {
    if (!json.is_object() || !json.contains(key)) return wrong(fmt::format("expected '{}'", key));
  }
  if (!json["reason"].is_string()) return wrong("expected a text as 'reason'");
  record.reason = json["reason"];
  if (!json["fingerprint"].is_object()) return wrong("expected an object as 'fingerprint'");
  for (const auto& [name, value] : json["fingerprint"].items()) {
    if (!value.is_string()) return wrong(fmt::format("expected a text as fingerprint '{}'", name));
    record.fingerprint[name] = value;
  }
  if (!json["scenarios"].is_object()) return wrong("expected an object as 'scenarios'");
  for (const auto& [scenario, metrics] : json["scenarios"].items()) {
    if (!metrics.is_object() || metrics.empty()) {
      return wrong(fmt::format("expected metrics in scenario '{}'", scenario));
    }
    for (const auto& [metric, value] : metrics.items()) {
      if (!value.is_number()) {
        return wrong(fmt::format("{}: expected a number as '{}'", scenario, metric));
      }
      record.scenarios[scenario][metric] = value;
    }
  }
  if (record.scenarios.empty()) return wrong("expected at least one scenario");
  return record;
}

Outcome<Record> read_record(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) {
    return std::unexpected(fmt::format("'{}': cannot read: {}", path, load::errno_text(errno)));
  }
  return parse_record(text, path);
}

void add_record(const Record& record, nlohmann::ordered_json& file) {
  file["reason"] = record.reason;
  file["fingerprint"] = record.fingerprint;
  file["scenarios"] = record.scenarios;
}

}  // namespace skysock::bench::counts
