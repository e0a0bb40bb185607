#include "bench/compare/record.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/facts.hpp"

namespace skysock::bench::compare {

nlohmann::ordered_json new_record(const std::string& kind) {
  nlohmann::ordered_json record = {{"kind", kind}};
  for (const auto& [name, value] : facts()) record["facts"][name] = value;
  return record;
}

load::Outcome<void> write_record(nlohmann::ordered_json record, const std::string& path) {
  say_if_busy();
  return keep_record(std::move(record), path);
}

load::Outcome<void> keep_record(nlohmann::ordered_json record, const std::string& path) {
  if (path.empty()) return {};
  add_noise(record);
  std::ofstream file(path);
  file << record.dump(2) << '\n';
  file.close();
  if (file) return {};
  return std::unexpected(
      fmt::format("--json '{}': cannot write: {}", path, load::errno_text(errno)));
}

std::string placement_text(const Placement& placement) {
  const auto cpu = [](const std::optional<int>& number) {
    return number ? fmt::format("cpu {}", *number) : std::string("any cpu");
  };
  return fmt::format("servers on {}, load on {}", cpu(placement.server_cpu),
                     cpu(placement.load_cpu));
}

}  // namespace skysock::bench::compare
