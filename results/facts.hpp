#pragma once

// What a number must carry to mean something later: the machine and the build it came from.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "results/outcome.hpp"

namespace skysock::results {

struct MachineFacts {
  std::string cpu;
  std::string kernel;
  std::string glibc;
  std::string governor;  ///< "none" where the kernel scales nothing, as in most virtual machines.
  unsigned cpus = 0;
  std::string hypervisor;  ///< "none" or what the CPU flags admit to.

  /// Equal machines have equal fingerprints; numbers of different ones are never compared.
  [[nodiscard]] std::string fingerprint() const;
};

MachineFacts read_machine_facts();

/// Facts that could not be found are "unknown", never guessed.
struct BuildFacts {
  std::string path;
  std::string binary_sha256;
  std::string git_sha;
  bool dirty = false;  ///< The tree around the binary differs from `git_sha` now.
  std::string compiler;
  std::string flags;
};

/// Facts of a program given by path or by name in PATH: its hash, the git tree it lies in, and the
/// CMake cache one folder above it. Error (kUsage): no such program.
Outcome<BuildFacts> read_build_facts(const std::string& program);

/// SHA-256 of a file, in hex. Error: not readable.
Outcome<std::string> sha256_of(const std::string& path);

/// The folder of the running program.
std::string own_folder();

/// Seconds since 1970 as ISO 8601 in UTC, now.
std::string now_utc();

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MachineFacts, cpu, kernel, glibc, governor, cpus, hypervisor)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BuildFacts, path, binary_sha256, git_sha, dirty, compiler, flags)

}  // namespace skysock::results
