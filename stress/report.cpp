#include "stress/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "stress/json.hpp"

namespace skysock::stress {

using nlohmann::json;

json to_json(const Totals& totals) {
  json kinds = json::object();
  for (std::size_t i = 0; i < kFailureKinds; ++i) {
    kinds[std::string(name_of(static_cast<FailureKind>(i)))] = totals.failures[i];
  }
  return {{"connections_started", totals.connections_started},
          {"connections_completed", totals.connections_completed},
          {"half_closes_completed", totals.half_closes_completed},
          {"bytes_sent", totals.bytes_sent},
          {"bytes_verified", totals.bytes_verified},
          {"failures_by_kind", kinds}};
}

json to_json(const Finding& finding) {
  const auto byte = [](const std::optional<std::uint8_t>& value) {
    return value ? json(*value) : json(nullptr);
  };
  return {{"kind", name_of(finding.kind)}, {"connection", finding.connection},
          {"offset", finding.offset},      {"expected", byte(finding.expected)},
          {"got", byte(finding.got)},      {"detail", finding.detail}};
}

namespace {

Totals totals_from(const json& value) {
  Totals totals;
  totals.connections_started = value.at("connections_started").get<std::uint64_t>();
  totals.connections_completed = value.at("connections_completed").get<std::uint64_t>();
  totals.half_closes_completed = value.at("half_closes_completed").get<std::uint64_t>();
  totals.bytes_sent = value.at("bytes_sent").get<std::uint64_t>();
  totals.bytes_verified = value.at("bytes_verified").get<std::uint64_t>();
  const json& kinds = value.at("failures_by_kind");
  for (std::size_t i = 0; i < kFailureKinds; ++i) {
    const std::string kind(name_of(static_cast<FailureKind>(i)));
    totals.failures[i] = kinds.at(kind).get<std::uint64_t>();
  }
  return totals;
}

std::optional<std::uint8_t> byte_from(const json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<std::uint8_t>();
}

std::expected<Report, std::string> finding_from(const json& value) {
  const auto name = value.at("kind").get<std::string>();
  const auto kind = failure_kind_named(name);
  if (!kind) return std::unexpected(fmt::format("unknown kind of failure '{}'", name));
  Finding finding;
  finding.kind = *kind;
  finding.connection = value.at("connection").get<std::uint64_t>();
  finding.offset = value.at("offset").get<std::uint64_t>();
  finding.expected = byte_from(value.at("expected"));
  finding.got = byte_from(value.at("got"));
  finding.detail = value.at("detail").get<std::string>();
  return finding;
}

Report counters_from(const json& value) {
  Counters counters;
  counters.totals = totals_from(value);
  counters.open = value.at("open").get<std::uint64_t>();
  counters.port_waits = value.at("port_waits").get<std::uint64_t>();
  counters.final_report = value.at("report") == "final";
  return counters;
}

json json_from(const Counters& counters) {
  json value = to_json(counters.totals);
  value["report"] = counters.final_report ? "final" : "counters";
  value["open"] = counters.open;
  value["port_waits"] = counters.port_waits;
  return value;
}

json json_from(const Finding& finding) {
  json value = to_json(finding);
  value["report"] = "finding";
  return value;
}

}  // namespace

std::string encode(const Report& report) {
  const json value = std::visit([](const auto& what) { return json_from(what); }, report);
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::expected<Report, std::string> decode(std::string_view line) {
  try {
    const json value = json::parse(line);
    const auto report = value.at("report").get<std::string>();
    if (report == "finding") return finding_from(value);
    if (report == "final" || report == "counters") return counters_from(value);
    return std::unexpected(fmt::format("unknown report '{}'", report));
  } catch (const json::exception& error) {
    return std::unexpected(fmt::format("not a client report: {}", error.what()));
  }
}

}  // namespace skysock::stress
