#include "results/facts.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "bench/load/machine.hpp"
#include "results/child.hpp"

namespace skysock::results {
namespace {

namespace fs = std::filesystem;

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

/// The value of NAME:TYPE=VALUE in a CMakeCache.txt, or an empty string.
std::string cmake_cache_value(const fs::path& cache, const std::string& name) {
  std::ifstream file(cache);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return line.substr(line.find('=') + 1);
  }
  return "";
}

/// As execvp finds it.
std::optional<fs::path> find_program(const std::string& program) {
  std::error_code error;
  if (program.find('/') != std::string::npos) {
    if (access(program.c_str(), X_OK) != 0 || !fs::is_regular_file(program, error))
      return std::nullopt;
    return fs::canonical(program, error);
  }
  const char* path =
      std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nothing here sets variables.
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder) / program;
    if (access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate, error)) {
      return fs::canonical(candidate, error);
    }
  }
  return std::nullopt;
}

std::string first_line_of(const std::vector<std::string>& argv) {
  const auto text = output_of(argv);
  return text ? trimmed(text->substr(0, text->find('\n'))) : "unknown";
}

void read_git(BuildFacts& facts, const std::string& folder) {
  facts.git_sha = first_line_of({"git", "-C", folder, "rev-parse", "HEAD"});
  const auto changes =
      output_of({"git", "-C", folder, "status", "--porcelain", "--untracked-files=no"});
  facts.dirty = changes && !changes->empty();
}

void read_cmake(BuildFacts& facts, const fs::path& cache) {
  facts.flags = cmake_cache_value(cache, "CMAKE_CXX_FLAGS");
  if (facts.flags.empty()) facts.flags = "unknown";
  const std::string compiler = cmake_cache_value(cache, "CMAKE_CXX_COMPILER");
  facts.compiler = compiler.empty() ? "unknown" : first_line_of({compiler, "--version"});
}

}  // namespace

std::string MachineFacts::fingerprint() const {
  return fmt::format("{} x{}; {}; glibc {}; governor {}", cpu, cpus, kernel, glibc, governor);
}

MachineFacts read_machine_facts() {
  const load::Machine machine = load::read_machine();
  return {.cpu = machine.cpu,
          .kernel = machine.kernel,
          .glibc = machine.glibc,
          .governor = machine.governor,
          .cpus = machine.cpus,
          .hypervisor = machine.hypervisor};
}

Outcome<BuildFacts> read_build_facts(const std::string& program) {
  const auto path = find_program(program);
  if (!path)
    return problem(kUsage, fmt::format("'{}' is not an executable file, nor one in PATH", program));
  BuildFacts facts;
  facts.path = path->string();
  auto hash = sha256_of(facts.path);
  if (!hash) return std::unexpected(hash.error());
  facts.binary_sha256 = *hash;
  read_git(facts, path->parent_path().string());
  read_cmake(facts, path->parent_path().parent_path() / "CMakeCache.txt");
  return facts;
}

Outcome<std::string> sha256_of(const std::string& path) {
  // coreutils is on every Debian; a cryptography library for one hash per run would be one more
  // dependency.
  const auto text = output_of({"sha256sum", "--", path});
  if (!text || text->size() < 64)
    return problem(kNothingMeasured, fmt::format("cannot hash '{}'", path));
  // sha256sum puts a backslash first when the name holds characters it escapes.
  return text->substr(text->front() == '\\' ? 1 : 0, 64);
}

std::string own_folder() { return fs::read_symlink("/proc/self/exe").parent_path().string(); }

std::string now_utc() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace skysock::results
