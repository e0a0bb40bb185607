#include "bench/run_record.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/facts.hpp"

namespace skysock::bench {

nlohmann::ordered_json new_record(const std::string& kind) {
  nlohmann::ordered_json record = {{"kind", kind}};
  for (const auto& [name, value] : facts()) record["facts"][name] = value;
  return record;
}

load::Outcome<void> write_record(nlohmann::ordered_json record, const std::string& path,
                                 const char* flag) {
  say_if_busy();
  return keep_record(std::move(record), path, flag);
}

load::Outcome<void> keep_record(nlohmann::ordered_json record, const std::string& path,
                                const char* flag) {
  if (path.empty()) return {};
  add_noise(record);
  std::ofstream file(path);
  file << record.dump(2) << '\n';
  file.close();
  if (file) return {};
  return std::unexpected(
      fmt::format("{} '{}': cannot write: {}", flag, path, load::errno_text(errno)));
}

}  // namespace skysock::bench
